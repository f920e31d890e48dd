/**
 * The superblock of an image: 128 bytes at offset 1024 of the first block,
 * with the checksum Linux 6.1 asks for.
 *
 * @module
 */

import { BLOCK_BITS, BLOCK_BYTES } from "./format.ts";

const MAGIC = 0xe0f5_e1e2;
const OFFSET = 1024;

const FEATURE_CHECKSUM = 0x1;
/** Times of inodes are those of the last change of content, not of status. */
const FEATURE_MTIME = 0x2;
const FEATURE_CHUNKED_FILE = 0x4;

const UUID_BYTES = 16;

export interface Superblock {
  readonly rootNid: number;
  readonly inodes: number;
  readonly blocks: number;
  /** The block that nids are counted from. */
  readonly metadataBlock: number;
  readonly mtime: number;
  readonly uuid: Uint8Array;
  readonly hasChunkedFiles: boolean;
}

/** The first block of the image. */
export function encodeSuperblock(fields: Superblock): Uint8Array<ArrayBuffer> {
  if (fields.uuid.length !== UUID_BYTES) {
    throw new RangeError("a UUID's length");
  }
  if (fields.rootNid > 0xffff) throw new RangeError("a nid above 16 bits");
  const block = new Uint8Array(BLOCK_BYTES);
  const view = new DataView(block.buffer, OFFSET);
  view.setUint32(0, MAGIC, true);
  view.setUint32(8, FEATURE_CHECKSUM | FEATURE_MTIME, true);
  view.setUint8(12, BLOCK_BITS);
  view.setUint16(14, fields.rootNid, true);
  view.setBigUint64(16, BigInt(fields.inodes), true);
  view.setBigInt64(24, BigInt(fields.mtime), true);
  view.setUint32(36, fields.blocks, true);
  view.setUint32(40, fields.metadataBlock, true);
  block.set(fields.uuid, OFFSET + 48);
  view.setUint32(80, fields.hasChunkedFiles ? FEATURE_CHUNKED_FILE : 0, true);
  view.setUint32(4, crc32c(block.subarray(OFFSET)), true);
  return block;
}

/** Castagnoli's CRC, reflected, not inverted at the end: as the kernel's. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0x82f6_3b78);
    }
  }
  return crc >>> 0;
}
