/**
 * The content of a directory: blocks that each begin with entries of 12 bytes
 * and end with these entries' names, all sorted by their bytes, since the
 * kernel looks a name up by halving, first the blocks, then the entries.
 *
 * @module
 */

import { putBytes } from "./binary_strings.ts";
import { BLOCK_BYTES } from "./format.ts";

const DIRENT_BYTES = 12;

/** A directory's names `first` to before `end` share one block. */
export interface DirectoryBlock {
  readonly first: number;
  readonly end: number;
  readonly bytes: number;
}

export interface Dirent {
  readonly name: string;
  readonly nid: number;
  readonly type: number;
}

/** Divides sorted names into blocks. There is always one, for "." and "..". */
export function packNames(names: readonly string[]): DirectoryBlock[] {
  const blocks: DirectoryBlock[] = [];
  let first = 0;
  let bytes = 0;
  for (const [index, name] of names.entries()) {
    const size = DIRENT_BYTES + name.length;
    if (bytes + size > BLOCK_BYTES) {
      blocks.push({ first, end: index, bytes });
      first = index;
      bytes = 0;
    }
    bytes += size;
  }
  blocks.push({ first, end: names.length, bytes });
  return blocks;
}

/** One block, without the zeros that may follow. */
export function encodeDirents(entries: readonly Dirent[]): Uint8Array {
  let nameAt = entries.length * DIRENT_BYTES;
  const size = entries.reduce((sum, { name }) => sum + name.length, nameAt);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (const [index, { name, nid, type }] of entries.entries()) {
    const at = index * DIRENT_BYTES;
    view.setBigUint64(at, BigInt(nid), true);
    view.setUint16(at + 8, nameAt, true);
    view.setUint8(at + 10, type);
    putBytes(name, bytes, nameAt);
    nameAt += name.length;
  }
  return bytes;
}
