/**
 * From an image to what a VM boots: a root file system and a manifest. The work
 * is done once for each image and kept; the manifest is put together each time,
 * because it names the image as it was asked for.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { storageFault, writeFileAtomic } from "../../lib/files.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { checkManifest } from "../../manifest/parse.ts";
import type { BuildProgress } from "../build.ts";
import { type ErofsData, ErofsWriter } from "../erofs/writer.ts";
import { openDockerArchive } from "./docker_archive.ts";
import { ImageCache } from "./image_cache.ts";
import { archiveFiles, folderFiles } from "./image_files.ts";
import {
  imageCommand,
  type ImageFacts,
  imageManifest,
  type ImageOverrides,
} from "./image_manifest.ts";
import { imageNames } from "./image_names.ts";
import { reading, writing } from "./image_problem.ts";
import { configSchema } from "./image_schema.ts";
import type { UserFiles } from "./image_users.ts";
import { applyLayers } from "./layers.ts";
import { openLayout } from "./layout.ts";
import type { Limits } from "./limits.ts";
import type { OpenedImage } from "./opened_image.ts";
import { findImage, type ImageReference } from "./reference.ts";

/** To be raised when the same image would give other bytes, or other facts. */
const CONVERTER_VERSION = 2;

export interface ConvertOptions {
  /** Holds the folder `images`. */
  readonly cacheDir: string;
  readonly signal: AbortSignal;
  readonly progress?: ((progress: BuildProgress) => void) | undefined;
  readonly overrides?: ImageOverrides | undefined;
  readonly limits?: Limits | undefined;
}

export interface ConvertedImage {
  /** Absolute; stays until the image is forgotten, or its folder removed. */
  readonly rootfsPath: string;
  readonly rootfsDigest: string;
  readonly manifest: Manifest;
  readonly imageDigest: string;
  /** Whether the file was there already. */
  readonly cached: boolean;
  /** What the image asks for and does not get, as sentences. */
  readonly notes: readonly string[];
}

/** What is kept of an image besides its root file system. */
interface Kept extends ImageFacts {
  readonly rootfsDigest: string;
}

const ROOTFS = "rootfs.erofs";
const FACTS = "image.json";

/**
 * An image that names no program to run is refused before any work; whether it
 * knows its user, or the one that was given, shows when its files are read.
 *
 * A cached file is taken for whole if it has its size: to look at its bytes would
 * cost each start as much as reading it. Whoever checks `rootfsDigest` and finds
 * other bytes calls `forgetImage` and converts once more. The cache may be
 * cleared by removing the folder `images` while no conversion is under way.
 */
export async function convertImage(
  reference: string,
  options: ConvertOptions,
): Promise<ConvertedImage> {
  const { signal, progress, overrides = {} } = options;
  const found = await findImage(reference, signal);
  const image = await reading(
    `image "${found.text}"`,
    () => openImage(found, signal),
  );
  imageCommand(image.config, overrides, found.text);
  const cache = new ImageCache(options.cacheDir);
  let kept = await findKept(cache, image.digest);
  const cached = kept !== undefined;
  if (kept === undefined) {
    using _lock = await cache.lock(image.digest, signal, () =>
      progress?.({
        kind: "step",
        line: "waiting for another conversion of this image",
      }));
    kept = await findKept(cache, image.digest) ??
      await convert(cache, image, found.text, options);
  }
  const rootfsPath = `${cache.folder(image.digest)}/${ROOTFS}`;
  const { rootfsDigest } = kept;
  const { manifest, notes } = imageManifest({
    facts: kept,
    names: imageNames(found, image),
    overrides,
    imageDigest: image.digest,
    rootfsPath,
    rootfsDigest,
  });
  return {
    rootfsPath,
    rootfsDigest,
    manifest: checkManifest(manifest, `manifest of image "${found.text}"`),
    imageDigest: image.digest,
    cached,
    notes,
  };
}

/**
 * Removes an image from the cache, so that the next conversion does the work
 * anew: for one whose bytes are not those of its `rootfsDigest` any more. Waits
 * for a conversion of it that is under way; one that is not there is no fault.
 */
export async function forgetImage(
  cacheDir: string,
  imageDigest: string,
  signal: AbortSignal,
): Promise<void> {
  const cache = new ImageCache(cacheDir);
  using _lock = await cache.lock(imageDigest, signal, () => {});
  await cache.remove(imageDigest);
}

/** Opens what a reference leads to; other sources of images are added here. */
async function openImage(
  reference: ImageReference,
  signal: AbortSignal,
): Promise<OpenedImage> {
  const { transport, path } = reference;
  if (transport === "oci") {
    return await openLayout(folderFiles(path), reference, signal);
  }
  const files = await archiveFiles(path, signal);
  return transport === "oci-archive"
    ? await openLayout(files, reference, signal)
    : await openDockerArchive(files, reference, signal);
}

async function convert(
  cache: ImageCache,
  image: OpenedImage,
  name: string,
  options: ConvertOptions,
): Promise<Kept> {
  let kept: Kept | undefined;
  await cache.store(image.digest, async (folder) => {
    const path = `${folder}/${ROOTFS}`;
    const { size, ...files } = await writeRootfs(image, name, path, options);
    const rootfsDigest = await digestOf(path, options.signal);
    kept = { ...files, rootfsDigest, config: image.config };
    await writeFileAtomic(
      `${folder}/${FACTS}`,
      JSON.stringify({ ...kept, version: CONVERTER_VERSION, size }),
      0o644,
    );
  });
  if (kept === undefined) throw new Error("the image was not converted");
  return kept;
}

async function writeRootfs(
  image: OpenedImage,
  name: string,
  path: string,
  options: ConvertOptions,
): Promise<UserFiles & { readonly size: number }> {
  await using writer = await ErofsWriter.open(path);
  const { root, texts } = await applyLayers<ErofsData>(image.layers, {
    name,
    writeData: (content) => writer.writeData(content),
    texts: ["etc/passwd", "etc/group"],
    signal: options.signal,
    limits: options.limits,
    ...progressOf(image, options),
  });
  const { size } = await writing(name, () =>
    writer.finish(root, {
      mtime: createdSeconds(image.config.created),
      uuid: uuidOf(image.digest),
      signal: options.signal,
    }));
  return {
    size,
    passwd: texts.get("etc/passwd") ?? "",
    group: texts.get("etc/group") ?? "",
  };
}

function progressOf(
  { layers }: OpenedImage,
  { progress }: ConvertOptions,
): {
  readonly onLayer: (number: number) => void;
  readonly onBytes: (bytes: number) => void;
} {
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  return {
    onLayer: (number) =>
      progress?.({
        kind: "step",
        line: `layer ${number} of ${layers.length}`,
      }),
    onBytes: (bytes) => {
      // A layer may be read a second time.
      done = Math.min(done + bytes, total);
      progress?.({ kind: "bytes", done, total });
    },
  };
}

/** What is kept of an image; undefined if it is not there, whole, and of this version. */
async function findKept(
  cache: ImageCache,
  digest: string,
): Promise<Kept | undefined> {
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

function isKept(value: unknown): value is Kept & { readonly size: number } {
  if (typeof value !== "object" || value === null) return false;
  const kept = value as Partial<Record<string, unknown>>;
  return kept["version"] === CONVERTER_VERSION &&
    typeof kept["size"] === "number" &&
    typeof kept["rootfsDigest"] === "string" &&
    typeof kept["passwd"] === "string" && typeof kept["group"] === "string" &&
    configSchema.safeParse(kept["config"]).success;
}

async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1024 * 1024);
  try {
    using file = await Deno.open(path);
    for (;;) {
      signal.throwIfAborted();
      const count = await file.read(buffer);
      if (count === null) return `sha256:${hash.digest("hex")}`;
      hash.update(buffer.subarray(0, count));
    }
  } catch (error) {
    throw storageFault(error, "read", path);
  }
}

/** The same for the same image; the bits that say what kind it is are set (RFC 9562, version 8). */
function uuidOf(digest: string): Uint8Array {
  const hash = createHash("sha256").update(`volant erofs ${digest}`).digest();
  const uuid = new Uint8Array(hash.subarray(0, 16));
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x80;
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80;
  return uuid;
}

/** Whole seconds of the time in the config; 0 for none, or one before 1970. */
function createdSeconds(created: string | undefined): number {
  const milliseconds = Date.parse(created ?? "");
  return Number.isFinite(milliseconds)
    ? Math.max(0, Math.floor(milliseconds / 1000))
    : 0;
}
