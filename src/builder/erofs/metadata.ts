/**
 * Writes what describes a tree: blocks of long directories first, then all
 * inodes with what belongs to them, in the order of their positions.
 *
 * Nids count slots from one block before the first inode, so that none is 0,
 * which programs that read directories take for a removed entry.
 *
 * @module
 */

import { bytesOf } from "./binary_strings.ts";
import type { BlockWriter } from "./block_writer.ts";
import { chunkIndex, chunkIndexBytes, type ErofsData } from "./content.ts";
import { type Dirent, encodeDirents } from "./directories.ts";
import {
  BLOCK_BITS,
  BLOCK_BYTES,
  CHUNK_BITS,
  COMPACT_INODE_BYTES,
  EXTENDED_INODE_BYTES,
  FILE_TYPES,
  INLINE_BYTES_MAX,
  LAYOUT,
  type Layout,
  SLOT_BYTES,
  SLOTS_PER_BLOCK,
} from "./format.ts";
import { encodeDevice, encodeInode, isExtended } from "./inodes.ts";
import type { Inode, Inventory, Listing } from "./inventory.ts";
import { MetadataSpace } from "./metadata_space.ts";
import { Pauses } from "./pauses.ts";
import type { TailStore } from "./tail_store.ts";

/** What the superblock says of the metadata. */
export interface WrittenMetadata {
  readonly rootNid: number;
  readonly metadataBlock: number;
  readonly hasChunkedFiles: boolean;
}

export interface MetadataTarget {
  readonly out: BlockWriter;
  readonly tails: TailStore;
  /** The superblock's time, which short inodes take. */
  readonly buildTime: number;
  /** Breaks the work off. */
  readonly signal?: AbortSignal | undefined;
}

/** How an inode's content lies, and what of it lies behind the inode. */
interface Shape {
  readonly size: number;
  readonly layout: Layout;
  readonly value: number;
  /** Bytes of the chunk index. */
  readonly index: number;
  /** Bytes of content behind the inode. */
  readonly tail: number;
}

export async function writeMetadata(
  inventory: Inventory,
  target: MetadataTarget,
): Promise<WrittenMetadata> {
  const { out } = target;
  const space = new MetadataSpace();
  const pauses = new Pauses(target.signal);
  const inodes = [...inventory.values()];
  for (const inode of inodes) {
    if (pauses.isDue()) await pauses.pause();
    const shape = shapeOf(inode);
    const head = inodeBytes(inode, shape, target.buildTime) +
      inode.xattrs.length + shape.index;
    inode.position = space.place(head, shape.tail);
  }
  const rootNid = inodes[0] === undefined ? 0 : nidOf(inodes[0]);
  out.unmark();
  for (const inode of inodes) {
    if (pauses.isDue()) await pauses.pause();
    await writeLongContent(inode, inventory, out);
  }
  const start = out.block;
  let at = 0;
  for (const inode of inodes.toSorted((a, b) => a.position - b.position)) {
    if (pauses.isDue()) await pauses.pause();
    await out.writeZeros(inode.position - at);
    at = inode.position + await writeInode(inode, inventory, target);
  }
  await out.writeZeros(space.blocks * BLOCK_BYTES - at);
  return {
    rootNid,
    metadataBlock: start - 1,
    hasChunkedFiles: inodes.some((inode) => shapeOf(inode).index > 0),
  };
}

function nidOf(inode: Inode): number {
  return inode.position / SLOT_BYTES + SLOTS_PER_BLOCK;
}

function inodeBytes(inode: Inode, shape: Shape, buildTime: number): number {
  return isExtended(fieldsOf(inode, shape), buildTime)
    ? EXTENDED_INODE_BYTES
    : COMPACT_INODE_BYTES;
}

function fieldsOf(inode: Inode, shape: Shape) {
  return {
    ...shape,
    metadata: inode.node,
    mode: FILE_TYPES[inode.node.kind].mode | inode.node.mode,
    number: inode.number,
    links: inode.links,
    xattrBytes: inode.xattrs.length,
  };
}

function shapeOf(inode: Inode): Shape {
  const { node } = inode;
  switch (node.kind) {
    case "file":
      return fileShape(node.data);
    case "symlink":
      return ownShape(inode, node.target.length);
    case "directory":
      return ownShape(inode, directoryBytes(inode.listing));
    case "char":
    case "block":
      return { ...EMPTY, value: encodeDevice(node, "") };
    case "fifo":
    case "socket":
      return EMPTY;
  }
}

const EMPTY: Shape = {
  size: 0,
  layout: LAYOUT.plain,
  value: 0,
  index: 0,
  tail: 0,
};

function fileShape(data: ErofsData): Shape {
  const { size, firstBlock } = data;
  if (data.runs !== undefined) {
    return {
      size,
      layout: LAYOUT.chunked,
      value: CHUNK_BITS - BLOCK_BITS,
      index: chunkIndexBytes(data),
      tail: 0,
    };
  }
  return data.tail === undefined
    ? { ...EMPTY, size, value: firstBlock }
    : inlineShape(size, firstBlock);
}

/** Of content that is written with the metadata: links and directories. */
function ownShape(inode: Inode, size: number): Shape {
  const rest = size % BLOCK_BYTES;
  return rest === 0 || rest > INLINE_BYTES_MAX
    ? { ...EMPTY, size, value: inode.firstBlock }
    : inlineShape(size, inode.firstBlock);
}

function inlineShape(size: number, value: number): Shape {
  const tail = size % BLOCK_BYTES;
  return { size, layout: LAYOUT.inline, value, index: 0, tail };
}

function directoryBytes(listing: Listing | undefined): number {
  const blocks = listing?.blocks ?? [];
  return (blocks.length - 1) * BLOCK_BYTES + (blocks.at(-1)?.bytes ?? 0);
}

/** The blocks of a directory or link that do not lie behind its inode. */
async function writeLongContent(
  inode: Inode,
  inventory: Inventory,
  out: BlockWriter,
): Promise<void> {
  const { node, listing } = inode;
  const { size, tail } = shapeOf(inode);
  if (size === tail) return;
  if (node.kind === "symlink") {
    inode.firstBlock = out.block;
    await out.write(bytesOf(node.target));
    await out.fillBlock();
  }
  if (listing === undefined) return;
  inode.firstBlock = out.block;
  const count = Math.ceil((size - tail) / BLOCK_BYTES);
  for (let index = 0; index < count; index++) {
    await out.write(direntsOf(inode, index, inventory));
    await out.fillBlock();
  }
}

/** Gives the number of bytes it has written. */
async function writeInode(
  inode: Inode,
  inventory: Inventory,
  { out, tails, buildTime }: MetadataTarget,
): Promise<number> {
  const { node } = inode;
  const shape = shapeOf(inode);
  const fields = fieldsOf(inode, shape);
  const head = encodeInode(fields, isExtended(fields, buildTime));
  await out.write(head);
  await out.write(inode.xattrs);
  if (shape.index > 0 && node.kind === "file") {
    for (const piece of chunkIndex(node.data)) await out.write(piece);
  }
  if (shape.tail > 0) await out.write(tailOf(inode, shape, inventory, tails));
  return head.length + inode.xattrs.length + shape.index + shape.tail;
}

function tailOf(
  inode: Inode,
  shape: Shape,
  inventory: Inventory,
  tails: TailStore,
): Uint8Array {
  const { node, listing } = inode;
  if (listing !== undefined) {
    return direntsOf(inode, listing.blocks.length - 1, inventory);
  }
  if (node.kind === "symlink") return bytesOf(node.target);
  if (node.kind === "file" && node.data.tail !== undefined) {
    return tails.read(node.data.tail, shape.tail);
  }
  throw new RangeError(`a ${node.kind} has no content behind its inode`);
}

/** One block of a directory. */
function direntsOf(
  inode: Inode,
  index: number,
  inventory: Inventory,
): Uint8Array {
  const { node, listing } = inode;
  const block = listing?.blocks[index];
  if (node.kind !== "directory" || listing === undefined || !block) {
    throw new RangeError("a directory has no such block");
  }
  const dirents = listing.names.slice(block.first, block.end).map(
    (name): Dirent => {
      const child = node.entries.get(name);
      const other = child && inventory.get(child);
      const target = other ?? (name === "." ? inode : listing.parent);
      const type = FILE_TYPES[target.node.kind].dirent;
      return { name, nid: nidOf(target), type };
    },
  );
  return encodeDirents(dirents);
}
