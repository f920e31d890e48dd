/**
 * The bytes of a backup as its reader takes them: those around the contents are
 * digested on the way, and the place that was reached is known.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import type { ByteInput } from "../archive/byte_source.ts";
import { damaged } from "../archive/problem.ts";
import { BLOCK_BYTES } from "../archive/tar_header.ts";

export class TrackedInput implements ByteInput {
  readonly #source: ByteInput;
  readonly #frame: Hash = createHash("sha256");
  #before: Hash = this.#frame.copy();
  #block: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #isEnding = false;

  constructor(source: ByteInput) {
    this.#source = source;
  }

  /** Bytes taken so far, of the archive before its compression. */
  get offset(): number {
    return this.#offset;
  }

  /** The header taken last. */
  get lastHeader(): Uint8Array {
    return this.#block;
  }

  /** Digest of all around the contents up to the header taken last. */
  frameDigest(): string {
    return this.#before.digest("hex");
  }

  /** From now on only the zeros may come that end an archive. */
  expectEnd(): void {
    this.#isEnding = true;
  }

  /** The reader takes so what may be a header, and nothing else. */
  async take(length: number): Promise<Uint8Array | undefined> {
    const taken = await this.#source.take(length);
    if (taken === undefined) return undefined;
    this.#before = this.#frame.copy();
    this.#block = taken.slice();
    this.#seen(taken);
    return taken;
  }

  async need(length: number): Promise<Uint8Array> {
    const taken = await this.#source.need(length);
    this.#seen(taken);
    return taken;
  }

  /** The reader takes so what is content. */
  async some(most: number): Promise<Uint8Array | undefined> {
    const taken = await this.#source.some(most);
    this.#offset += taken?.length ?? 0;
    return taken;
  }

  async skip(length: number): Promise<void> {
    if (await this.skipIfThere(length) > 0) {
      throw damaged("it ends in the middle");
    }
  }

  async skipIfThere(length: number): Promise<number> {
    let left = length;
    while (left > 0) {
      const taken = await this.#source.some(left);
      if (taken === undefined) break;
      this.#seen(taken);
      left -= taken.length;
    }
    return left;
  }

  /** Called for after the first block of zeros: one more, and no other byte. */
  async drain(): Promise<void> {
    let rest = 0;
    for (;;) {
      const taken = await this.#source.some(Number.MAX_SAFE_INTEGER);
      if (taken === undefined) break;
      rest += taken.length;
      this.#offset += taken.length;
      if (this.#isEnding) checkZeros(taken);
    }
    // Else it ends where none may, which the caller tells.
    if (!this.#isEnding) return;
    if (rest < BLOCK_BYTES) throw damaged("it ends before its end");
    if (rest > BLOCK_BYTES) throw damaged("something follows its end");
  }

  #seen(taken: Uint8Array): void {
    this.#frame.update(taken);
    this.#offset += taken.length;
    if (this.#isEnding) checkZeros(taken);
  }
}

function checkZeros(bytes: Uint8Array): void {
  if (bytes.some((byte) => byte !== 0)) {
    throw damaged("something follows its end");
  }
}
