/**
 * Chunks of any size, taken in pieces of the wanted size.
 *
 * @module
 */

import { damaged } from "./problem.ts";

const NOTHING: Uint8Array = new Uint8Array(0);

/** What an archive is read from: a stream, or a file in which one can leap. */
export interface ByteInput {
  /** The next `length` bytes; undefined at the end; an end within is a damage. */
  take(length: number): Promise<Uint8Array | undefined>;
  /** As `take`, where an end is a damage. */
  need(length: number): Promise<Uint8Array>;
  /** What is at hand of the next `most` bytes, at least one; undefined at the end. */
  some(most: number): Promise<Uint8Array | undefined>;
  skip(length: number): Promise<void>;
  /** As `skip`, up to the end at most; how many bytes were not there. */
  skipIfThere(length: number): Promise<number>;
  /** Takes all there is, so that whoever makes the bytes sees their end. */
  drain(): Promise<void>;
}

export class ByteSource implements ByteInput {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk = NOTHING;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async take(length: number): Promise<Uint8Array | undefined> {
    if (this.#chunk.length < length && !await this.#gather(length)) {
      if (this.#chunk.length === 0) return undefined;
      throw truncated();
    }
    const taken = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(length);
    return taken;
  }

  async need(length: number): Promise<Uint8Array> {
    if (length === 0) return NOTHING;
    const taken = await this.take(length);
    if (taken === undefined) throw truncated();
    return taken;
  }

  async some(most: number): Promise<Uint8Array | undefined> {
    if (this.#chunk.length === 0 && !await this.#gather(1)) return undefined;
    const taken = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken;
  }

  /** The next bytes, which stay; fewer than `length` only at the end. */
  async peek(length: number): Promise<Uint8Array> {
    if (this.#chunk.length < length) await this.#gather(length);
    return this.#chunk.subarray(0, length);
  }

  async skip(length: number): Promise<void> {
    if (await this.skipIfThere(length) > 0) throw truncated();
  }

  async skipIfThere(length: number): Promise<number> {
    let left = length;
    while (left > 0) {
      const taken = await this.some(left);
      if (taken === undefined) break;
      left -= taken.length;
    }
    return left;
  }

  async drain(): Promise<void> {
    while (await this.some(Number.MAX_SAFE_INTEGER) !== undefined);
  }

  /** Lets go of what makes the bytes, without taking the rest. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** Whether `length` bytes are at hand now. */
  async #gather(length: number): Promise<boolean> {
    const parts = this.#chunk.length === 0 ? [] : [this.#chunk];
    let total = this.#chunk.length;
    while (total < length) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      parts.push(next.value);
      total += next.value.length;
    }
    this.#chunk = parts.length === 1 ? parts[0] ?? NOTHING : joined(parts);
    return total >= length;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(
    parts.reduce((total, part) => total + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function truncated(): Error {
  return damaged("it ends in the middle");
}
