/**
 * From an image to what a VM boots: a root file system and a manifest. The work
 * is done once for each image and kept; the manifest is put together each time,
 * because it names the image as it was asked for.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { storageFault } from "../../lib/files.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { checkManifest } from "../../manifest/parse.ts";
import type { BuildProgress } from "../build.ts";
import { type ErofsData, ErofsWriter } from "../erofs/writer.ts";
import { shareCache } from "./cache_lock.ts";
import { absoluteCache, ImageCache } from "./image_cache.ts";
import {
  imageCommand,
  imageManifest,
  type ImageOverrides,
} from "./image_manifest.ts";
import { writing } from "./image_problem.ts";
import type { UserFiles } from "./image_users.ts";
import {
  FACTS,
  findKept,
  keepFacts,
  type KeptImage,
  ROOTFS,
} from "./kept_image.ts";
import { applyLayers } from "./layers.ts";
import type { Limits } from "./limits.ts";
import { openImage } from "./open_image.ts";
import type { OpenedImage } from "./opened_image.ts";
import type { PullPolicy } from "./registry/pull.ts";
import type { RegistryOptions } from "./registry/registry_access.ts";

export interface ConvertOptions {
  /** Holds the folder `images`, and what is pulled. */
  readonly cacheDir: string;
  /** When, and how, a registry is asked; `missing` when absent. */
  readonly pull?: PullPolicy | undefined;
  readonly registry: RegistryOptions;
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
  const { signal, progress = () => {}, overrides = {} } = options;
  const { pull = "missing", registry } = options;
  const cacheDir = absoluteCache(options.cacheDir);
  using _shared = await shareCache(
    cacheDir,
    signal,
    () =>
      progress({ kind: "step", line: "waiting for the cache to be cleared" }),
  );
  const image = await openImage(reference, {
    cacheDir,
    pull,
    registry,
    progress,
    signal,
  });
  imageCommand(image.config, overrides, reference);
  const cache = new ImageCache(cacheDir);
  let kept = await findKept(cache, image.digest);
  const cached = kept !== undefined;
  if (kept === undefined) {
    using _lock = await cache.lock(image.digest, signal, () =>
      progress({
        kind: "step",
        line: "waiting for another conversion of this image",
      }));
    kept = await findKept(cache, image.digest) ??
      await convert(cache, image, reference, options);
  } else await cache.touch(image.digest, FACTS);
  const rootfsPath = `${cache.folder(image.digest)}/${ROOTFS}`;
  const { rootfsDigest } = kept;
  const { manifest, notes } = imageManifest({
    facts: kept,
    names: image.names,
    overrides,
    imageDigest: image.digest,
    rootfsPath,
    rootfsDigest,
  });
  return {
    rootfsPath,
    rootfsDigest,
    manifest: checkManifest(manifest, `manifest of image "${reference}"`),
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
  const cache = new ImageCache(absoluteCache(cacheDir));
  using _lock = await cache.lock(imageDigest, signal, () => {});
  await cache.remove(imageDigest);
}

async function convert(
  cache: ImageCache,
  image: OpenedImage,
  name: string,
  options: ConvertOptions,
): Promise<KeptImage> {
  let kept: KeptImage | undefined;
  await cache.store(image.digest, async (folder) => {
    const path = `${folder}/${ROOTFS}`;
    const files = await writeRootfs(image, name, path, options);
    const rootfsDigest = await digestOf(path, options.signal);
    kept = { ...files, rootfsDigest, config: image.config, reference: name };
    await keepFacts(folder, kept);
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
