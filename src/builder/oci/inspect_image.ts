/**
 * What there is to know of an image without reading its layers. No registry is
 * asked: an image that is not here is a fault.
 *
 * @module
 */

import { shareCache } from "./cache_lock.ts";
import { ImageCache } from "./image_cache.ts";
import { type CachedImage, ImageInventory } from "./image_inventory.ts";
import { ImageRecords } from "./image_records.ts";
import type { ImageConfig } from "./image_schema.ts";
import { findKept, ROOTFS } from "./kept_image.ts";
import { openImage } from "./open_image.ts";
import { findImage } from "./reference.ts";

export interface ImageDetails {
  readonly reference: string;
  /** Of its manifest. */
  readonly digest: string;
  /** Of the index its name stands for, if it is one of several platforms. */
  readonly index?: string;
  readonly platform: string;
  readonly created?: string;
  readonly pulled?: string;
  readonly config: NonNullable<ImageConfig["config"]>;
  /** The lowest first; as they are stored. */
  readonly layers: readonly {
    readonly digest: string;
    readonly size: number;
  }[];
  /** Path of its root file system, if it was converted. */
  readonly rootfs?: string;
}

export async function inspectImage(
  word: string,
  { cacheDir, signal }: {
    /** Absolute. */
    readonly cacheDir: string;
    readonly signal: AbortSignal;
  },
): Promise<ImageDetails> {
  using _shared = await shareCache(cacheDir, signal, () => {});
  const cache = new ImageCache(cacheDir);
  const known = await knownBy(word, cacheDir, signal);
  if (known?.isPulled === false) return await convertedOnly(cache, known);
  const text = known?.reference ?? word;
  const image = await openImage(text, {
    cacheDir,
    pull: "never",
    registry: { env: () => undefined },
    progress: () => {},
    signal,
  });
  const { digest, config, layers, name = text } = image;
  const record = await new ImageRecords(cacheDir).find(name);
  const isConverted = await findKept(cache, digest) !== undefined;
  const isIndex = record !== undefined && record.top.digest !== digest;
  const { os = "linux", architecture = "unknown", created } = config;
  return {
    reference: record?.reference ?? text,
    digest,
    ...(isIndex ? { index: record.top.digest } : {}),
    platform: `${os}/${architecture}`,
    ...(created === undefined ? {} : { created }),
    ...(record === undefined ? {} : { pulled: record.pulled }),
    config: config.config ?? {} as NonNullable<ImageConfig["config"]>,
    layers: layers.map(({ digest, diffId, size }) => ({
      digest: digest ?? diffId,
      size,
    })),
    ...(isConverted ? { rootfs: `${cache.folder(digest)}/${ROOTFS}` } : {}),
  };
}

/** The image that a word means by how its digest begins. */
async function knownBy(
  word: string,
  cacheDir: string,
  signal: AbortSignal,
): Promise<CachedImage | undefined> {
  if (!/^(?:sha256:)?[0-9a-f]{6,64}$/.test(word)) return undefined;
  try {
    const [found] = await new ImageInventory(cacheDir).find(word);
    return found;
  } catch (error) {
    // A name may look like digits.
    const isName = await findImage(word, signal).then(() => true, () => false);
    if (isName) return undefined;
    throw error;
  }
}

/** What is kept of an image that was converted from the disk. */
async function convertedOnly(
  cache: ImageCache,
  { digest, reference = digest, platform }: CachedImage,
): Promise<ImageDetails> {
  const kept = await findKept(cache, digest);
  const { created, config = {} } = kept?.config ?? {};
  return {
    reference,
    digest,
    platform,
    ...(created === undefined ? {} : { created }),
    config: config as NonNullable<ImageConfig["config"]>,
    layers: [],
    rootfs: `${cache.folder(digest)}/${ROOTFS}`,
  };
}
