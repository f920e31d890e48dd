/**
 * What the cache holds of images: those that were pulled, by their names, and
 * those that were converted from the disk. Lists them, and removes them with all
 * that nothing else is made of.
 *
 * Whoever removes has the cache alone (`cache_lock.ts`).
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { BlobStore } from "./blob_store.ts";
import { ImageCache } from "./image_cache.ts";
import { type ImageRecord, ImageRecords } from "./image_records.ts";
import { FACTS, findKept } from "./kept_image.ts";
import {
  canonicalName,
  parseRegistryReference,
} from "./registry/registry_reference.ts";

export interface CachedImage {
  /** Its whole name in a registry, or as it was named when it was converted. */
  readonly reference: string | undefined;
  /** Whether it was pulled, and is found by its name. */
  readonly isPulled: boolean;
  readonly digest: string;
  readonly platform: string;
  /** Bytes of its blobs, shared with others or not. */
  readonly blobBytes: number;
  /** Bytes of its root file system; 0 if it was not converted. */
  readonly rootfsBytes: number;
  /** As the image says; some builders set it to 1970. */
  readonly created: string | undefined;
  /** ISO 8601. */
  readonly used: string;
}

export interface Cleared {
  readonly references: readonly string[];
  readonly blobs: number;
  readonly converted: number;
  readonly bytes: number;
}

/** As much of a digest as names an image. */
const DIGITS_MIN = 6;

export class ImageInventory {
  readonly #records: ImageRecords;
  readonly #blobs: BlobStore;
  readonly #converted: ImageCache;

  /** `cacheDir` is absolute. */
  constructor(cacheDir: string) {
    this.#records = new ImageRecords(cacheDir);
    this.#blobs = new BlobStore(cacheDir);
    this.#converted = new ImageCache(cacheDir);
  }

  async list(): Promise<CachedImage[]> {
    const converted = new Map<string, CachedImage>();
    for await (const digest of this.#converted.list()) {
      const image = await this.#convertedImage(digest);
      if (image !== undefined) converted.set(digest, image);
    }
    const records = await this.#records.list();
    const pulled = records.map((record): CachedImage => {
      const own = converted.get(record.digest);
      const { reference, digest, platform, created, used } = record;
      return {
        ...{ reference, digest, platform, created },
        isPulled: true,
        blobBytes: record.blobs.reduce((sum, { size }) => sum + size, 0),
        rootfsBytes: own?.rootfsBytes ?? 0,
        used: own !== undefined && own.used > used ? own.used : used,
      };
    });
    const named = new Set(records.map(({ digest }) => digest));
    return [
      ...pulled,
      ...[...converted.values()].filter(({ digest }) => !named.has(digest)),
    ];
  }

  /** The images a word means: a name, or the beginning of a digest. */
  async find(word: string): Promise<CachedImage[]> {
    const images = await this.list();
    const parsed = parseRegistryReference(word);
    const name = parsed && canonicalName(parsed);
    const named = images.filter(({ reference }) =>
      reference !== undefined && (reference === name || reference === word)
    );
    if (named.length > 0) return named;
    const digits = word.replace(/^sha256:/, "");
    const isDigits = /^[0-9a-f]+$/.test(digits) && digits.length >= DIGITS_MIN;
    const found = isDigits
      ? images.filter(({ digest }) => digest.startsWith(`sha256:${digits}`))
      : [];
    if (new Set(found.map(({ digest }) => digest)).size === 1) return found;
    throw new Fault(
      "image-not-found",
      found.length > 1
        ? `Cannot choose image "${word}": ${found.length} digests begin so`
        : `Cannot find image "${word}": it is not in the cache`,
      { hint: "List what is there: volant image list" },
    );
  }

  /** Removes what a word means, and what was only part of it. */
  async remove(word: string): Promise<Cleared> {
    const images = await this.find(word);
    const before = await this.#records.list();
    const names = images.filter(({ isPulled }) => isPulled)
      .flatMap(({ reference }) => reference ?? []);
    for (const name of names) await this.#records.remove(name);
    const removed = before.filter(({ reference }) => names.includes(reference));
    const left = before.filter(({ reference }) => !names.includes(reference));
    const digests = new Set(images.map(({ digest }) => digest));
    const swept = await this.#sweep(left, {
      isBlobMeant: blobsOf(removed),
      isImageMeant: (digest) => digests.has(digest),
    });
    return { references: names, ...swept };
  }

  /** Removes what no name stands for; with `all` the names as well. */
  async prune({ all }: { readonly all: boolean }): Promise<Cleared> {
    const records = await this.#records.list();
    const names = all ? records.map(({ reference }) => reference) : [];
    for (const name of names) await this.#records.remove(name);
    await this.#converted.removeLeft();
    const swept = await this.#sweep(all ? [] : records, {
      isBlobMeant: () => true,
      isImageMeant: () => true,
    });
    return { references: names, ...swept };
  }

  async #sweep(
    left: readonly ImageRecord[],
    { isBlobMeant, isImageMeant }: {
      readonly isBlobMeant: (digest: string) => boolean;
      readonly isImageMeant: (digest: string) => boolean;
    },
  ): Promise<Omit<Cleared, "references">> {
    const cleared = { blobs: 0, converted: 0, bytes: 0 };
    const isUsed = blobsOf(left);
    for await (const { digest, size, isPartial } of this.#blobs.list()) {
      if (isUsed(digest) && !isPartial || !isBlobMeant(digest)) continue;
      if (isPartial) await this.#blobs.removePartial(digest);
      else await this.#blobs.remove(digest);
      cleared.blobs += 1;
      cleared.bytes += size;
    }
    const named = new Set(left.map(({ digest }) => digest));
    for await (const digest of this.#converted.list()) {
      if (named.has(digest) || !isImageMeant(digest)) continue;
      const kept = await findKept(this.#converted, digest);
      await this.#converted.remove(digest);
      cleared.converted += 1;
      cleared.bytes += kept?.size ?? 0;
    }
    return cleared;
  }

  async #convertedImage(digest: string): Promise<CachedImage | undefined> {
    const kept = await findKept(this.#converted, digest);
    if (kept === undefined) return undefined;
    const { reference, size, config } = kept;
    const folder = this.#converted.folder(digest);
    const { mtime } = await Deno.stat(`${folder}/${FACTS}`);
    const { os = "linux", architecture = "unknown", created } = config;
    return {
      reference,
      isPulled: false,
      digest,
      platform: `${os}/${architecture}`,
      blobBytes: 0,
      rootfsBytes: size,
      created,
      used: (mtime ?? new Date(0)).toISOString(),
    };
  }
}

function blobsOf(
  records: readonly ImageRecord[],
): (digest: string) => boolean {
  const digests = new Set(
    records.flatMap(({ blobs }) => blobs.map(({ digest }) => digest)),
  );
  return (digest) => digests.has(digest);
}
