/**
 * One block of 512 bytes that stands before a file in a tar archive: old tar,
 * ustar and GNU. Names are binary strings, one character per byte, because
 * nothing says that they are UTF-8. What comes in further blocks (PAX records,
 * long names, maps of sparse files) is put together by `tar_reader.ts`.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { damaged } from "./problem.ts";

export const BLOCK_BYTES = 512;

export interface TarHeader {
  /** The type flag; NUL of old archives is given as "0". */
  readonly flag: string;
  readonly name: string;
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes that follow in the archive. */
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

/** Offset and length of each field. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  linkName: [157, 100],
  magic: [257, 8],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const;

const FLAG_AT = 156;

/** The header in a block; undefined for the block of zeros that ends an archive. */
export function parseHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  checkSum(block);
  const magic = binary(block, ...FIELDS.magic);
  const isGnu = magic === "ustar  \0";
  const isUstar = magic.startsWith("ustar\0");
  const prefix = isUstar ? textField(block, "prefix") : "";
  const name = textField(block, "name");
  const hasDevice = isGnu || isUstar;
  return {
    flag: block[FLAG_AT] === 0 ? "0" : binary(block, FLAG_AT, 1),
    name: prefix === "" ? name : `${prefix}/${name}`,
    linkName: textField(block, "linkName"),
    mode: numberField(block, "mode"),
    uid: numberField(block, "uid"),
    gid: numberField(block, "gid"),
    size: numberField(block, "size"),
    mtime: numberField(block, "mtime"),
    major: hasDevice ? numberField(block, "major") : 0,
    minor: hasDevice ? numberField(block, "minor") : 0,
  };
}

/** Bytes to the next full block. */
export function padding(size: number): number {
  return (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES;
}

/** A part of a block as a binary string. */
export function binary(
  bytes: Uint8Array,
  offset: number,
  length: number,
): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length)
    .toString("latin1");
}

/** A number in octal digits, or in the base 256 of GNU where digits do not reach. */
export function tarNumber(
  block: Uint8Array,
  offset: number,
  length: number,
): number {
  const first = block[offset] ?? 0;
  if ((first & 0x80) !== 0) return base256(block, offset, length, first);
  const digits = binary(block, offset, length).replace(/^[ \0]+/, "")
    .replace(/[ \0].*$/s, "");
  if (!/^[0-7]*$/.test(digits)) {
    throw damaged("the header of a file has a number that is none");
  }
  return digits === "" ? 0 : parseInt(digits, 8);
}

function base256(
  block: Uint8Array,
  offset: number,
  length: number,
  first: number,
): number {
  const isNegative = (first & 0x40) !== 0;
  let value = isNegative ? (first & 0x7f) - 0x80 : first & 0x7f;
  for (let index = 1; index < length; index++) {
    value = value * 256 + (block[offset + index] ?? 0);
  }
  if (!Number.isSafeInteger(value)) {
    throw damaged("the header of a file has a number beyond all bounds");
  }
  return value;
}

function textField(block: Uint8Array, field: keyof typeof FIELDS): string {
  const [offset, length] = FIELDS[field];
  const text = binary(block, offset, length);
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

function numberField(block: Uint8Array, field: keyof typeof FIELDS): number {
  const [offset, length] = FIELDS[field];
  return tarNumber(block, offset, length);
}

/** The sum of all bytes, those of the sum itself taken as spaces. */
function checkSum(block: Uint8Array): void {
  const [start, length] = FIELDS.checksum;
  let unsigned = 0;
  let signed = 0;
  for (let index = 0; index < BLOCK_BYTES; index++) {
    const isSum = index >= start && index < start + length;
    const byte = isSum ? 0x20 : block[index] ?? 0;
    unsigned += byte;
    // Some old programs added up signed characters.
    signed += byte < 0x80 ? byte : byte - 0x100;
  }
  const digits = /[0-7]+/.exec(binary(block, start, length))?.[0];
  const written = parseInt(digits ?? "", 8);
  if (written !== unsigned && written !== signed) {
    throw damaged("it is no tar archive, or a damaged one");
  }
}
