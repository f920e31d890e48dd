/**
 * Fetches one blob into a file, which may hold the beginning of it already. What
 * breaks off goes on where it ended; the bytes are hashed as they come, and none
 * beyond the blob's size are taken.
 *
 * @module
 */

import { pause } from "../../../lib/deadline.ts";
import { storageFault, writeAll } from "../../../lib/files.ts";
import type { Descriptor } from "../image_schema.ts";
import { hashFor } from "../layer_stream.ts";
import type { RegistryHttp } from "./registry_http.ts";
import { discard } from "./registry_http.ts";
import { pauseAfter, type RetryOptions, Transient } from "./retrying.ts";
import { wrongBytes } from "./wrong_bytes.ts";

export interface TransferOptions {
  readonly blob: Pick<Descriptor, "digest" | "size">;
  /** Opened for reading and writing, and nobody else's. */
  readonly file: Deno.FsFile;
  readonly path: string;
  readonly ask: (from: number) => Promise<Response>;
  readonly http: RegistryHttp;
  readonly retry: RetryOptions;
  /** How many bytes are there. */
  readonly onBytes: (done: number) => void;
}

const READ_BYTES = 256 * 1024;

/** However slowly it goes on, it does so only so often. */
const BREAKS_MAX = 100;

export async function transferBlob(options: TransferOptions): Promise<void> {
  const { retry: { rules, signal, onRetry } } = options;
  const transfer = new Transfer(options);
  let mayBeginAgain = await transfer.resume();
  let fruitless = 0;
  for (let breaks = 0;; breaks++) {
    const before = transfer.done;
    try {
      await transfer.receive();
      if (transfer.isRight()) return;
      // A beginning that was kept may not be of this blob.
      if (!mayBeginAgain) throw transfer.wrong();
      mayBeginAgain = false;
      await transfer.empty();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Transient)) throw error;
      fruitless = transfer.done > before ? 1 : fruitless + 1;
      const waitMs = breaks < BREAKS_MAX
        ? pauseAfter(fruitless, error, rules)
        : undefined;
      if (waitMs === undefined) {
        throw new Transient(
          `${error.message} at byte ${transfer.done} of blob ${options.blob.digest}; tried ${
            breaks + 1
          } times`,
          { cause: error },
        );
      }
      onRetry?.(error.message, waitMs);
      await pause(waitMs, signal);
    }
  }
}

class Transfer {
  done = 0;
  readonly #options: TransferOptions;
  #hash: ReturnType<typeof hashFor>;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#hash = hashFor(options.blob.digest);
  }

  /** Takes over what the file holds; whether there was any. */
  async resume(): Promise<boolean> {
    const { file, blob, path, onBytes, retry: { signal } } = this.#options;
    const { size } = await file.stat();
    if (size === 0 || size > blob.size) {
      await this.empty();
      return false;
    }
    const buffer = new Uint8Array(READ_BYTES);
    try {
      await file.seek(0, Deno.SeekMode.Start);
      for (;;) {
        signal.throwIfAborted();
        const count = await file.read(buffer);
        if (count === null) break;
        this.#hash.update(buffer.subarray(0, count));
        this.done += count;
      }
    } catch (error) {
      throw storageFault(error, "read", path);
    }
    onBytes(this.done);
    return true;
  }

  async empty(): Promise<void> {
    const { file, blob } = this.#options;
    await file.truncate(0);
    await file.seek(0, Deno.SeekMode.Start);
    this.#hash = hashFor(blob.digest);
    this.done = 0;
  }

  /** Gets what is missing; throws a `Transient` if it did not come. */
  async receive(): Promise<void> {
    const { blob: { digest, size }, ask, http, onBytes } = this.#options;
    if (this.done === size) return;
    const response = await ask(this.done);
    if (!this.#goesOn(response)) {
      // It sends the whole again.
      await this.empty();
      onBytes(0);
    }
    const left = size - this.done;
    const length = response.headers.get("content-length");
    if (length !== null && Number(length) !== left) {
      await discard(response);
      throw wrongBytes(
        `the registry has ${
          Number(length) + this.done
        } bytes of blob ${digest}, which is said to have ${size}`,
      );
    }
    for await (const chunk of http.body(response)) {
      if (this.done + chunk.length > size) {
        throw wrongBytes(
          `the registry sends more of blob ${digest} than the ${size} bytes it is said to have`,
        );
      }
      await this.#write(chunk);
      onBytes(this.done);
    }
    if (this.done < size) throw new Transient("the connection broke off");
  }

  isRight(): boolean {
    return this.#actual() === this.#options.blob.digest;
  }

  wrong(): Error {
    return wrongBytes(
      `what the registry sends as blob ${this.#options.blob.digest} has the digest ${this.#actual()}`,
    );
  }

  #goesOn({ status, headers }: Response): boolean {
    if (this.done === 0) return true;
    const range = headers.get("content-range") ?? "";
    return status === 206 && range.startsWith(`bytes ${this.done}-`);
  }

  #actual(): string {
    const { digest } = this.#options.blob;
    const algorithm = digest.slice(0, digest.indexOf(":"));
    return `${algorithm}:${this.#hash.copy().digest("hex")}`;
  }

  async #write(chunk: Uint8Array): Promise<void> {
    const { file, path } = this.#options;
    try {
      await writeAll(file, chunk);
    } catch (error) {
      throw storageFault(error, "write", path);
    }
    this.#hash.update(chunk);
    this.done += chunk.length;
  }
}
