/**
 * Files with holes in a tar archive: only what lies between the holes is stored,
 * and a map says where. GNU has written that map in four ways: in the header and
 * blocks after it, in PAX records repeated or joined, and before the contents.
 *
 * @module
 */

import type { ByteInput } from "./byte_source.ts";
import { damaged } from "./problem.ts";
import type { PaxRecords } from "./pax.ts";
import { paxInteger } from "./pax.ts";
import { binary, BLOCK_BYTES, tarNumber } from "./tar_header.ts";

export interface Sparse {
  /** Size of the file with its holes. */
  readonly size: number;
  readonly parts: readonly Part[];
  /** Bytes of all parts. */
  readonly stored: number;
}

export interface Part {
  readonly offset: number;
  readonly length: number;
}

/** More than any file in use has; each takes memory. */
export const PARTS_MAX = 100_000;

const ZEROS = new Uint8Array(64 * 1024);

const NUMBER_BYTES = 12;

/** The map of a header with the flag `S`; takes the blocks that continue it. */
export async function gnuSparse(
  block: Uint8Array,
  source: ByteInput,
): Promise<Sparse> {
  const size = tarNumber(block, 483, NUMBER_BYTES);
  const numbers: number[] = [];
  readPairs(block, 386, 4, numbers);
  let isContinued = block[482] !== 0;
  while (isContinued) {
    const more = await source.need(BLOCK_BYTES);
    readPairs(more, 0, 21, numbers);
    isContinued = more[504] !== 0;
  }
  return checked(size, numbers);
}

/** The map that PAX records give or announce; undefined for a file without. */
export async function paxSparse(
  pax: PaxRecords,
  source: ByteInput,
): Promise<{ readonly sparse: Sparse; readonly mapBytes: number } | undefined> {
  if (pax.values.get("GNU.sparse.major") === "1") {
    const size = paxInteger(pax, "GNU.sparse.realsize");
    const { numbers, mapBytes } = await mapBefore(source);
    return { sparse: checked(size, numbers), mapBytes };
  }
  const size = paxInteger(pax, "GNU.sparse.size");
  if (size === undefined) return undefined;
  const joined = pax.values.get("GNU.sparse.map");
  const words = joined === undefined || joined === ""
    ? pax.sparseMap
    : joined.split(",");
  return { sparse: checked(size, words.map(wholeNumber)), mapBytes: 0 };
}

/** The whole file, holes filled; `stored` gives the bytes between them. */
export async function* filled(
  { size, parts }: Sparse,
  stored: (length: number) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const { offset, length } of parts) {
    yield* zeros(offset - at);
    yield* stored(length);
    at = offset + length;
  }
  yield* zeros(size - at);
}

function* zeros(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= ZEROS.length) {
    yield left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS;
  }
}

function readPairs(
  block: Uint8Array,
  start: number,
  count: number,
  numbers: number[],
): void {
  for (let index = 0; index < count; index++) {
    const at = start + index * 2 * NUMBER_BYTES;
    // An unused pair begins with NUL.
    if (block[at] === 0) return;
    numbers.push(
      tarNumber(block, at, NUMBER_BYTES),
      tarNumber(block, at + NUMBER_BYTES, NUMBER_BYTES),
    );
  }
  checkCount(numbers.length / 2);
}

/** Decimal numbers, one a line: how many pairs, then the pairs; in whole blocks. */
async function mapBefore(
  source: ByteInput,
): Promise<{ readonly numbers: number[]; readonly mapBytes: number }> {
  const numbers: number[] = [];
  let wanted = 1;
  let mapBytes = 0;
  let text = "";
  while (numbers.length < wanted) {
    text += binary(await source.need(BLOCK_BYTES), 0, BLOCK_BYTES);
    mapBytes += BLOCK_BYTES;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    if (text.length > BLOCK_BYTES) throw malformed();
    for (const line of lines) {
      if (numbers.length === wanted) break;
      numbers.push(wholeNumber(line));
      if (numbers.length > 1 || wanted > 1) continue;
      checkCount(numbers[0] ?? 0);
      wanted = 1 + 2 * (numbers[0] ?? 0);
    }
  }
  return { numbers: numbers.slice(1), mapBytes };
}

function checked(
  size: number | undefined,
  numbers: readonly number[],
): Sparse {
  if (size === undefined || size < 0 || numbers.length % 2 !== 0) {
    throw malformed();
  }
  checkCount(numbers.length / 2);
  const parts: Part[] = [];
  let end = 0;
  for (let index = 0; index < numbers.length; index += 2) {
    const offset = numbers[index] ?? 0;
    const length = numbers[index + 1] ?? 0;
    if (offset < end || length < 0 || offset + length > size) throw malformed();
    end = offset + length;
    if (length > 0) parts.push({ offset, length });
  }
  const stored = parts.reduce((total, { length }) => total + length, 0);
  return { size, parts, stored };
}

function checkCount(count: number): void {
  if (count > PARTS_MAX) {
    throw damaged(`a sparse file has more than ${PARTS_MAX} parts`);
  }
}

function wholeNumber(text: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw malformed();
  return value;
}

function malformed(): Error {
  return damaged("the map of a sparse file is malformed");
}
