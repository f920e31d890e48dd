/**
 * What is kept of a converted image: its root file system, and beside it what is
 * needed to say how it runs.
 *
 * @module
 */

import { writeFileAtomic } from "../../lib/files.ts";
import type { ImageCache } from "./image_cache.ts";
import type { ImageFacts } from "./image_manifest.ts";
import { configSchema } from "./image_schema.ts";

export interface KeptImage extends ImageFacts {
  readonly rootfsDigest: string;
  /** Bytes of the root file system. */
  readonly size: number;
  /** As it was named when it was converted. */
  readonly reference?: string;
}

export const ROOTFS = "rootfs.erofs";
export const FACTS = "image.json";

/** To be raised when the same image would give other bytes, or other facts. */
const CONVERTER_VERSION = 2;

/** Writes the facts into the folder of an image that is being made. */
export async function keepFacts(
  folder: string,
  kept: KeptImage,
): Promise<void> {
  await writeFileAtomic(
    `${folder}/${FACTS}`,
    JSON.stringify({ ...kept, version: CONVERTER_VERSION }),
    0o644,
  );
}

/** What is kept of an image; undefined if it is not there, whole, and of this version. */
export async function findKept(
  cache: ImageCache,
  digest: string,
): Promise<KeptImage | undefined> {
  const text = await cache.read(digest, FACTS);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (!isKept(value)) return undefined;
    const { size } = await Deno.stat(`${cache.folder(digest)}/${ROOTFS}`);
    return size === value.size ? value : undefined;
  } catch (error) {
    const isBroken = error instanceof Deno.errors.NotFound ||
      error instanceof SyntaxError;
    if (isBroken) return undefined;
    throw error;
  }
}

function isKept(value: unknown): value is KeptImage {
  if (typeof value !== "object" || value === null) return false;
  const kept = value as Partial<Record<string, unknown>>;
  return kept["version"] === CONVERTER_VERSION &&
    typeof kept["size"] === "number" &&
    typeof kept["rootfsDigest"] === "string" &&
    typeof kept["passwd"] === "string" && typeof kept["group"] === "string" &&
    ["string", "undefined"].includes(typeof kept["reference"]) &&
    configSchema.safeParse(kept["config"]).success;
}
