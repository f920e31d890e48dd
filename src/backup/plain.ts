/**
 * Between a backup's file and its archive: Zstandard, or nothing.
 *
 * The compressed form is one frame with a checksum of its content, which any
 * `zstd -d` reads. It is made by the client and not by the daemon, which has
 * machines to look after while it sends.
 *
 * @module
 */

import { constants, createZstdCompress, type ZstdCompress } from "node:zlib";
import { ByteSource } from "../archive/byte_source.ts";
import { unzstd } from "../archive/zstd_frames.ts";

/** The one that zstd itself takes. */
const LEVEL = 3;

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];

/** The archive in a backup's bytes, whether they are compressed or not. */
export async function* plainBytes(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const source = new ByteSource(chunks);
  try {
    const start = await source.peek(MAGIC.length);
    if (MAGIC.every((byte, at) => start[at] === byte)) yield* unzstd(source);
    else {
      for (;;) {
        const chunk = await source.some(Number.MAX_SAFE_INTEGER);
        if (chunk === undefined) return;
        yield chunk;
      }
    }
  } finally {
    await source.close();
  }
}

/** Where the bytes of an archive are put, one piece after the other. */
export interface Sink {
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves when all was handed on; nothing may be written after. */
  end(): Promise<void>;
}

/** Compresses what it is given and hands it on to `put`. */
export class CompressingSink implements Sink {
  readonly #compressor: ZstdCompress;
  readonly #done: Promise<void>;

  constructor(put: (chunk: Uint8Array) => Promise<void>) {
    this.#compressor = createZstdCompress({
      params: {
        [constants.ZSTD_c_compressionLevel]: LEVEL,
        [constants.ZSTD_c_checksumFlag]: 1,
      },
    });
    this.#done = this.#handOn(put);
    // Told by the write that meets it.
    this.#done.catch(() => {});
  }

  async write(chunk: Uint8Array): Promise<void> {
    const taken = new Promise<void>((resolve, reject) => {
      this.#compressor.write(
        chunk,
        (error) => error ? reject(error) : resolve(),
      );
    });
    // What cannot be handed on is never taken.
    const failed = this.#done.then(() => {
      throw new Error("the compressor ended before its input");
    });
    await Promise.race([taken, failed]);
  }

  async end(): Promise<void> {
    this.#compressor.end();
    await this.#done;
  }

  async #handOn(put: (chunk: Uint8Array) => Promise<void>): Promise<void> {
    for await (const chunk of this.#compressor) await put(chunk);
  }
}
