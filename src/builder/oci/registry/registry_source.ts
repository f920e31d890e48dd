/**
 * The blobs of an image in a registry: from the cache, or fetched into it. What
 * several layers or processes want at once is fetched once.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Slots } from "../../../lib/slots.ts";
import type { BlobStore } from "../blob_store.ts";
import type { FileBytes } from "../image_files.ts";
import type { BlobKind, BlobSource } from "../image_opening.ts";
import { damaged, ImageProblem } from "../image_problem.ts";
import { type Descriptor, DOCUMENT_BYTES_MAX } from "../image_schema.ts";
import { hashFor } from "../layer_stream.ts";
import { transferBlob } from "./blob_transfer.ts";
import { LayerWatch, type PullProgress } from "./pull_progress.ts";
import type { RegistryAccess } from "./registry_access.ts";
import { MANIFEST_BYTES_MAX } from "./registry_session.ts";
import { RETRY_RULES, type RetryRules } from "./retrying.ts";
import { wrongBytes } from "./wrong_bytes.ts";

export interface SourceOptions {
  readonly store: BlobStore;
  /** Opened when something has to be fetched; throws where nothing may be. */
  readonly access: () => Promise<RegistryAccess>;
  readonly retryRules?: RetryRules | undefined;
  readonly progress: (progress: PullProgress) => void;
  readonly signal: AbortSignal;
}

/** Layers that are fetched at a time. */
const LAYERS_AT_ONCE = 3;

export class RegistrySource implements BlobSource {
  readonly #options: SourceOptions;
  readonly #slots = new Slots(LAYERS_AT_ONCE);
  readonly #asked = new Map<string, Promise<FileBytes>>();
  readonly #sizes = new Map<string, number>();
  readonly #watch: LayerWatch;

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#watch = new LayerWatch(options.progress);
  }

  /** All blobs that were asked for. */
  get blobs(): { readonly digest: string; readonly size: number }[] {
    return [...this.#sizes].map(([digest, size]) => ({ digest, size }));
  }

  async open(descriptor: Descriptor, kind: BlobKind): Promise<FileBytes> {
    const { digest, size } = descriptor;
    const layer = kind === "layer" ? this.#watch.add(size) : undefined;
    const before = this.#asked.get(digest);
    const asked = before ?? this.#open(descriptor, kind, layer);
    this.#asked.set(digest, asked);
    this.#sizes.set(digest, size);
    const file = await asked;
    // The same layer may be there twice.
    if (before !== undefined && layer !== undefined) {
      this.#watch.there(layer);
    }
    return file;
  }

  /** Resolves once nothing is being fetched, well or not. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#asked.values());
  }

  async #open(
    descriptor: Descriptor,
    kind: BlobKind,
    layer: number | undefined,
  ): Promise<FileBytes> {
    const kept = await this.#kept(descriptor, kind);
    if (kept !== undefined) {
      if (layer !== undefined) this.#watch.there(layer);
      return kept;
    }
    const limit = kind === "config" ? DOCUMENT_BYTES_MAX : MANIFEST_BYTES_MAX;
    if (layer === undefined && descriptor.size > limit) {
      throw damaged(`its ${kind} has more than ${limit} bytes`);
    }
    if (kind === "index" || kind === "manifest") {
      await this.#fetchManifest(descriptor);
    } else if (layer === undefined) await this.#fetchBlob(descriptor, layer);
    else await this.#slots.run(() => this.#fetchBlob(descriptor, layer));
    const fetched = await this.#options.store.find(descriptor);
    if (fetched !== undefined) return fetched;
    throw wrongBytes(
      `blob ${descriptor.digest} has not the ${descriptor.size} bytes it is said to have`,
    );
  }

  /** What the cache has of a blob; documents are looked at, as they are short. */
  async #kept(
    descriptor: Descriptor,
    kind: BlobKind,
  ): Promise<FileBytes | undefined> {
    const { store } = this.#options;
    const { digest } = descriptor;
    const kept = await store.find(descriptor);
    if (kept === undefined) {
      // Something of another size is not that blob.
      if (await store.read(digest) !== undefined) await store.remove(digest);
      return undefined;
    }
    if (kind === "layer") return healing(kept, digest, store);
    const isWhole = kept.size <= DOCUMENT_BYTES_MAX &&
      await hasDigest(kept, digest, this.#options.signal);
    if (isWhole) return kept;
    await store.remove(digest);
    return undefined;
  }

  async #fetchManifest({ digest, size }: Descriptor): Promise<void> {
    const access = await this.#options.access();
    const { bytes } = await access.manifest(digest);
    const actual = digestOf(digest, bytes);
    if (actual !== digest || bytes.length !== size) {
      throw wrongBytes(
        `what the registry sends as manifest ${digest} has the digest ${actual} and ${bytes.length} bytes, not ${size}`,
      );
    }
    await this.#options.store.put(digest, bytes);
  }

  async #fetchBlob(
    blob: Descriptor,
    layer: number | undefined,
  ): Promise<void> {
    this.#options.signal.throwIfAborted();
    const { store, retryRules: rules = RETRY_RULES } = this.#options;
    const access = await this.#options.access();
    const claim = await store.claim(blob.digest, {
      signal: this.#options.signal,
      onWait: () => this.#watch.waiting(layer),
    });
    if (claim === undefined) {
      if (layer !== undefined) this.#watch.there(layer);
      return;
    }
    using held = claim;
    if (layer !== undefined) this.#watch.begun(layer);
    try {
      await transferBlob({
        blob,
        file: held.file,
        path: held.path,
        http: access.http,
        ask: (from) => access.blob(blob.digest, from),
        retry: {
          rules,
          signal: this.#options.signal,
          onRetry: (reason, waitMs) => this.#watch.retried(reason, waitMs),
        },
        onBytes: (done) =>
          layer !== undefined && this.#watch.moved(layer, done),
      });
    } catch (error) {
      // Bytes of another blob are no beginning of this one.
      if (error instanceof ImageProblem) await held.discard();
      throw access.fault(error);
    }
    await held.publish();
    if (layer !== undefined) this.#watch.done(layer);
  }
}

/** A layer that turns out damaged is removed, so that it is fetched anew. */
function healing(
  file: FileBytes,
  digest: string,
  store: BlobStore,
): FileBytes {
  return {
    size: file.size,
    async *chunks(signal) {
      const hash = hashFor(digest);
      for await (const chunk of file.chunks(signal)) {
        hash.update(chunk);
        yield chunk;
      }
      const algorithm = digest.slice(0, digest.indexOf(":"));
      if (`${algorithm}:${hash.digest("hex")}` === digest) return;
      await store.remove(digest);
      throw new ImageProblem(
        "checksum-mismatch",
        `its copy in the cache is damaged, and was removed`,
        { hint: "Try again: the layer is then fetched anew" },
      );
    },
  };
}

async function hasDigest(
  file: FileBytes,
  digest: string,
  signal: AbortSignal,
): Promise<boolean> {
  const hash = hashFor(digest);
  for await (const chunk of file.chunks(signal)) hash.update(chunk);
  const algorithm = digest.slice(0, digest.indexOf(":"));
  return `${algorithm}:${hash.digest("hex")}` === digest;
}

/** Of `bytes`, by the algorithm of another digest; SHA-256 without one. */
export function digestOf(like: string | undefined, bytes: Uint8Array): string {
  const hash = like === undefined ? createHash("sha256") : hashFor(like);
  const algorithm = like?.slice(0, like.indexOf(":")) ?? "sha256";
  return `${algorithm}:${hash.update(bytes).digest("hex")}`;
}
