/**
 * The numbers of the on-disk format of EROFS, as the kernel's
 * fs/erofs/erofs_fs.h fixes them, and the few that are a choice of ours.
 *
 * The image is read by Linux 6.1 and later: only what that kernel knows is
 * used. All integers on disk are little-endian.
 *
 * @module
 */

import type { FsNode } from "./tree.ts";

/** Blocks as large as a page, which every kernel that knows EROFS reads. */
export const BLOCK_BITS = 12;
export const BLOCK_BYTES = 1 << BLOCK_BITS;

/** Inodes lie on such a boundary; a node's number (nid) counts these. */
export const SLOT_BYTES = 32;
export const SLOTS_PER_BLOCK = BLOCK_BYTES / SLOT_BYTES;

export const COMPACT_INODE_BYTES = 32;
export const EXTENDED_INODE_BYTES = 64;

/** How an inode's content is found (`i_format`). */
export const LAYOUT = { plain: 0, inline: 2, chunked: 4 } as const;

export type Layout = typeof LAYOUT[keyof typeof LAYOUT];

/**
 * The longest end of a content that is put behind its inode. Both lie in one
 * block then, even if the inode is an extended one.
 */
export const INLINE_BYTES_MAX = BLOCK_BYTES - EXTENDED_INODE_BYTES;

/** A file with holes is mapped in pieces of this size: holes are such pieces. */
export const CHUNK_BITS = 16;
export const CHUNK_BYTES = 1 << CHUNK_BITS;

/** The address that says a chunk is a hole. */
export const HOLE_ADDRESS = 0xffff_ffff;

export const NAME_BYTES_MAX = 255;

/** PATH_MAX without its NUL. */
export const SYMLINK_BYTES_MAX = 4095;

/** Type bits of `st_mode`, and the type a directory entry has. */
export const FILE_TYPES = {
  file: { mode: 0o100000, dirent: 1 },
  directory: { mode: 0o040000, dirent: 2 },
  char: { mode: 0o020000, dirent: 3 },
  block: { mode: 0o060000, dirent: 4 },
  fifo: { mode: 0o010000, dirent: 5 },
  socket: { mode: 0o140000, dirent: 6 },
  symlink: { mode: 0o120000, dirent: 7 },
} as const satisfies Record<
  FsNode<unknown>["kind"],
  { readonly mode: number; readonly dirent: number }
>;

export function alignUp(size: number, alignment: number): number {
  return Math.ceil(size / alignment) * alignment;
}
