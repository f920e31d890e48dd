/**
 * Opens the image that a name in a registry stands for: from the cache, or pulled
 * into it first. A name that was pulled is kept in a record, with all that its
 * image is made of.
 *
 * Whoever calls this shares the cache (`cache_lock.ts`) until it has read what it
 * wants.
 *
 * @module
 */

import { Fault } from "../../../lib/fault.ts";
import { BlobStore } from "../blob_store.ts";
import { openManifest } from "../image_opening.ts";
import { reading } from "../image_problem.ts";
import { type ImageRecord, ImageRecords } from "../image_records.ts";
import type { Descriptor } from "../image_schema.ts";
import { isCheckable } from "../layer_stream.ts";
import { hostPlatform, type OpenedImage } from "../opened_image.ts";
import { manifestType } from "./manifest_kind.ts";
import { type PullProgress, retryLine } from "./pull_progress.ts";
import { RegistryAccess, type RegistryOptions } from "./registry_access.ts";
import { canonicalName, type RegistryReference } from "./registry_reference.ts";
import { digestOf, RegistrySource } from "./registry_source.ts";
import { wrongBytes } from "./wrong_bytes.ts";

export const PULL_POLICIES = ["missing", "always", "never"] as const;
/** When to ask the registry: for what is not in the cache, each time, or not at all. */
export type PullPolicy = typeof PULL_POLICIES[number];

export interface PullOptions {
  /** Absolute. */
  readonly cacheDir: string;
  readonly policy: PullPolicy;
  readonly registry: RegistryOptions;
  readonly progress: (progress: PullProgress) => void;
  readonly signal: AbortSignal;
}

export interface PulledImage extends OpenedImage {
  readonly record: ImageRecord;
}

export async function openRegistryImage(
  reference: RegistryReference,
  options: PullOptions,
): Promise<PulledImage> {
  return await reading(`image "${reference.text}"`, async () => {
    await using pull = new Pull(reference, options);
    return await pull.open();
  });
}

class Pull implements AsyncDisposable {
  readonly #reference: RegistryReference;
  readonly #options: PullOptions;
  readonly #store: BlobStore;
  readonly #records: ImageRecords;
  readonly #source: RegistrySource;
  readonly #name: string;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #access: Promise<RegistryAccess> | undefined;

  constructor(reference: RegistryReference, options: PullOptions) {
    const { cacheDir, registry: { retryRules }, progress, signal } = options;
    this.#reference = reference;
    this.#options = options;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#name = canonicalName(reference);
    this.#store = new BlobStore(cacheDir);
    this.#records = new ImageRecords(cacheDir);
    this.#source = new RegistrySource({
      store: this.#store,
      access: () => this.#registry(),
      retryRules,
      // What is here already is news to one who pulls, and to nobody else.
      progress: (each) => this.#access !== undefined && progress(each),
      signal: this.#signal,
    });
  }

  async open(): Promise<PulledImage> {
    const { policy } = this.#options;
    const known = await this.#records.find(this.#name);
    const top = policy !== "always" && known !== undefined
      ? known.top
      : await this.#top();
    const image = await openManifest(
      this.#source,
      described(top),
      this.#signal,
    );
    const record = await this.#keep(known, top, image);
    return { ...image, name: this.#name, record };
  }

  /** Ends what is still being fetched: the rest of an image that failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the image is not wanted any more"));
    await this.#source.settled();
    const access = await this.#access?.catch(() => undefined);
    access?.[Symbol.dispose]();
  }

  /** What the name stands for now; its bytes are then in the cache. */
  async #top(): Promise<ImageRecord["top"]> {
    const { tag = "latest", digest } = this.#reference;
    const kept = digest === undefined ? undefined : await this.#keptTop(digest);
    if (kept !== undefined) return kept;
    const access = await this.#registry();
    const { bytes, contentType, digest: said } = await access.manifest(
      digest ?? tag,
    );
    const isSaid = said !== undefined && isCheckable(said);
    const wanted = digest ?? (isSaid ? said : undefined);
    const actual = digestOf(wanted, bytes);
    if (wanted !== undefined && actual !== wanted) {
      throw wrongBytes(
        `what the registry sends as manifest ${wanted} has the digest ${actual}`,
      );
    }
    const mediaType = manifestType(bytes, contentType);
    await this.#store.put(actual, bytes);
    return { mediaType, digest: actual, size: bytes.length };
  }

  /** A digest is the same image for ever: one that is here need not be asked for. */
  async #keptTop(digest: string): Promise<ImageRecord["top"] | undefined> {
    const file = await this.#store.read(digest);
    if (file === undefined) return undefined;
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of file.chunks(this.#signal)) {
      parts.push(new Uint8Array(chunk));
    }
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    if (digestOf(digest, bytes) !== digest) {
      await this.#store.remove(digest);
      return undefined;
    }
    const mediaType = manifestType(bytes, undefined);
    return { mediaType, digest, size: bytes.length };
  }

  async #keep(
    known: ImageRecord | undefined,
    top: ImageRecord["top"],
    { digest, config }: Omit<OpenedImage, "name">,
  ): Promise<ImageRecord> {
    if (known?.top.digest === top.digest && known.digest === digest) {
      await this.#records.touch(this.#name);
      return known;
    }
    const { os, architecture } = hostPlatform();
    const record: ImageRecord = {
      version: 1,
      reference: this.#name,
      top,
      digest,
      platform: `${os}/${architecture}`,
      ...(config.created === undefined ? {} : { created: config.created }),
      pulled: new Date().toISOString(),
      blobs: this.#source.blobs,
    };
    await this.#records.put(record);
    return record;
  }

  async #registry(): Promise<RegistryAccess> {
    const { policy } = this.#options;
    if (policy === "never") throw this.#notHere();
    this.#access ??= this.#connect();
    return await this.#access;
  }

  #connect(): Promise<RegistryAccess> {
    const { registry, progress } = this.#options;
    const { text, registry: host, repository } = this.#reference;
    progress({ kind: "step", line: `pulling ${this.#name}` });
    return RegistryAccess.open({
      ...registry,
      subject: { text, registry: host, repository },
      signal: this.#signal,
      onRetry: (reason, waitMs) =>
        progress({ kind: "step", line: retryLine(reason, waitMs) }),
    });
  }

  #notHere(): Fault {
    const { text } = this.#reference;
    return new Fault(
      "image-not-found",
      `Cannot find image "${text}": it is not in the cache, and is not to be pulled`,
      { hint: `Pull it with volant image pull ${text}` },
    );
  }
}

function described(top: ImageRecord["top"]): Descriptor {
  return { ...top, annotations: undefined, platform: undefined };
}
