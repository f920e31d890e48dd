/**
 * How images in the cache are said to a person and to a program, and what
 * completion proposes of them.
 *
 * @module
 */

import type { CachedImage, Cleared } from "../builder/oci/image_inventory.ts";
import { cacheFolder } from "./cache_folder.ts";
import type { Context } from "./context.ts";
import { formatBytes } from "./format.ts";

const DIGITS_SHOWN = 12;

export interface ImageView {
  readonly reference: string | null;
  readonly pulled: boolean;
  readonly digest: string;
  readonly platform: string;
  readonly blob_bytes: number;
  readonly rootfs_bytes: number;
  readonly created: string | null;
  readonly used: string;
}

export function imageView(image: CachedImage): ImageView {
  const { reference = null, created = null, isPulled, digest } = image;
  const { platform, blobBytes, rootfsBytes, used } = image;
  return {
    reference,
    pulled: isPulled,
    digest,
    platform,
    blob_bytes: blobBytes,
    rootfs_bytes: rootfsBytes,
    created,
    used,
  };
}

/** `2cf24dba5fb0` */
export function digestWord(digest: string): string {
  const start = digest.indexOf(":") + 1;
  return digest.slice(start, start + DIGITS_SHOWN);
}

/** `2026-01-31`; `-` where an image does not say, or says 1970. */
export function createdWord(created: string | undefined): string {
  const milliseconds = Date.parse(created ?? "");
  return milliseconds > 0
    ? new Date(milliseconds).toISOString().slice(0, "2026-01-31".length)
    : "-";
}

/** `2 converted images and 5 blobs, 12.3 MiB`. */
export function clearedWords({ blobs, converted, bytes }: Cleared): string {
  const words = [
    ...(converted > 0 ? [counted(converted, "converted image")] : []),
    ...(blobs > 0 ? [counted(blobs, "blob")] : []),
  ];
  return words.length === 0
    ? "no file"
    : `${words.join(" and ")}, ${formatBytes(bytes)}`;
}

export function clearedView(
  { references, blobs, converted, bytes }: Cleared,
): Readonly<Record<string, unknown>> {
  return { references, blobs, converted, bytes };
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** The cache's folder, as the builder wants it. */
export function absoluteCacheFolder({ env }: Pick<Context, "env">): string {
  const folder = cacheFolder(env);
  return folder.startsWith("/") ? folder : `${Deno.cwd()}/${folder}`;
}

/** Names of images in the cache, for completion. */
export async function imageNames(this: Context): Promise<readonly string[]> {
  try {
    const { ImageInventory } = await import(
      "../builder/oci/image_inventory.ts"
    );
    const images = await new ImageInventory(absoluteCacheFolder(this)).list();
    return images.flatMap(({ reference }) => reference ?? []);
  } catch {
    // Nobody wants an error in the middle of typing.
    return [];
  }
}

export const ONE_IMAGE = {
  kind: "tuple",
  parameters: [{
    parse: String,
    proposeCompletions: imageNames,
    placeholder: "IMAGE",
    brief: "Name of the image, or how its digest begins",
  }],
} as const;

export const SEVERAL_IMAGES = {
  kind: "array",
  minimum: 1,
  parameter: {
    parse: String,
    proposeCompletions: imageNames,
    placeholder: "IMAGE",
    brief: "Names of images, or how their digests begin",
  },
} as const;
