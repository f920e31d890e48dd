/**
 * LZ4 in the legacy frame, the one form of it the kernel unpacks: blocks of
 * 8 MiB, each on its own. Written here so that a build needs no program of the
 * host and gives the same bytes whatever its version; the format is fixed in
 * lz4's doc/lz4_Block_format.md and lz4_Frame_format.md.
 *
 * The search is greedy with one hash table, as lz4's own default is: an
 * initramfs is compressed once, and what is bought is a quick unpacking.
 *
 * @module
 */

const LEGACY_MAGIC = 0x184c_2102;
const BLOCK_BYTES = 8 * 1024 * 1024;

const MATCH_BYTES_MIN = 4;
const OFFSET_MAX = 0xffff;

/** The format wants the last 5 bytes as literals, and no match begun in the last 12. */
const LITERALS_AT_END = 5;
const MATCH_START_LIMIT = 12;

const HASH_BITS = 16;

/** The compressed form of a stream of chunks. */
export async function* lz4Legacy(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield uint32(LEGACY_MAGIC);
  const block = new Uint8Array(BLOCK_BYTES);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let taken = 0; taken < chunk.length;) {
      const part = chunk.subarray(taken, taken + BLOCK_BYTES - filled);
      block.set(part, filled);
      filled += part.length;
      taken += part.length;
      if (filled < BLOCK_BYTES) continue;
      yield* framed(block);
      filled = 0;
    }
  }
  if (filled > 0) yield* framed(block.subarray(0, filled));
}

function* framed(block: Uint8Array): Generator<Uint8Array> {
  const compressed = compressBlock(block);
  yield uint32(compressed.length);
  yield compressed;
}

/** One block of LZ4 sequences: literals, then a match further back. */
export function compressBlock(input: Uint8Array): Uint8Array {
  const writer = new SequenceWriter(input);
  const view = new DataView(input.buffer, input.byteOffset, input.length);
  // Positions plus one, so that 0 means none.
  const table = new Int32Array(1 << HASH_BITS);
  const lastStart = input.length - MATCH_START_LIMIT;
  let literalsFrom = 0;
  let position = 0;
  while (position <= lastStart) {
    const sequence = view.getUint32(position, true);
    const slot = Math.imul(sequence, 0x9e37_79b1) >>> (32 - HASH_BITS);
    const candidate = (table[slot] ?? 0) - 1;
    table[slot] = position + 1;
    const isMatch = candidate >= 0 && position - candidate <= OFFSET_MAX &&
      view.getUint32(candidate, true) === sequence;
    if (!isMatch) {
      // The longer nothing matched, the larger the steps.
      position += 1 + ((position - literalsFrom) >> 6);
      continue;
    }
    const length = matchLength(input, candidate, position);
    writer.sequence(literalsFrom, position, position - candidate, length);
    position += length;
    literalsFrom = position;
  }
  writer.lastLiterals(literalsFrom);
  return writer.bytes();
}

function matchLength(input: Uint8Array, from: number, at: number): number {
  const end = input.length - LITERALS_AT_END;
  let length = MATCH_BYTES_MIN;
  while (at + length < end && input[from + length] === input[at + length]) {
    length += 1;
  }
  return length;
}

class SequenceWriter {
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  #at = 0;

  constructor(input: Uint8Array) {
    this.#input = input;
    // The worst case of the format: one length byte for each 255 literals.
    this.#output = new Uint8Array(
      input.length + Math.ceil(input.length / 255) + 16,
    );
  }

  sequence(from: number, to: number, offset: number, length: number): void {
    const extra = length - MATCH_BYTES_MIN;
    this.#put((Math.min(to - from, 15) << 4) | Math.min(extra, 15));
    this.#literals(from, to);
    this.#put(offset & 0xff);
    this.#put(offset >> 8);
    this.#length(extra);
  }

  lastLiterals(from: number): void {
    const to = this.#input.length;
    this.#put(Math.min(to - from, 15) << 4);
    this.#literals(from, to);
  }

  bytes(): Uint8Array {
    return this.#output.subarray(0, this.#at);
  }

  #literals(from: number, to: number): void {
    this.#length(to - from);
    this.#output.set(this.#input.subarray(from, to), this.#at);
    this.#at += to - from;
  }

  /** What of a length did not fit into its half of the token. */
  #length(length: number): void {
    if (length < 15) return;
    let rest = length - 15;
    for (; rest >= 255; rest -= 255) this.#put(255);
    this.#put(rest);
  }

  #put(byte: number): void {
    this.#output[this.#at] = byte;
    this.#at += 1;
  }
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
