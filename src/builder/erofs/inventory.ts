/**
 * Goes through a tree once, in the order in which its inodes are to lie:
 * everything of a directory together, then its folders one by one. Counts
 * links, and finds what an image cannot hold.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { checkBinary, shown } from "./binary_strings.ts";
import type { ErofsData } from "./content.ts";
import { type DirectoryBlock, packNames } from "./directories.ts";
import { NAME_BYTES_MAX, SYMLINK_BYTES_MAX } from "./format.ts";
import { checkMetadata, encodeDevice } from "./inodes.ts";
import { Pauses } from "./pauses.ts";
import type { DirectoryNode, FsNode } from "./tree.ts";
import { encodeXattrs } from "./xattrs.ts";

/** What a directory has beyond other inodes. */
export interface Listing {
  /** Sorted by their bytes, "." and ".." among them. */
  readonly names: readonly string[];
  readonly blocks: readonly DirectoryBlock[];
  readonly parent: Inode;
}

export interface Inode {
  readonly node: FsNode<ErofsData>;
  /** Counted from 1, the root. */
  readonly number: number;
  readonly xattrs: Uint8Array;
  links: number;
  listing?: Listing;
  /** Counted in bytes from the start of the metadata. */
  position: number;
  /** First block of the content, if the writer has put it there. */
  firstBlock: number;
}

export type Inventory = ReadonlyMap<FsNode<ErofsData>, Inode>;

interface Visit {
  readonly inode: Inode;
  readonly node: DirectoryNode<ErofsData>;
  readonly path: string;
  readonly parent: Inode;
}

/** All inodes, the root first. */
export async function takeInventory(
  root: DirectoryNode<ErofsData>,
  signal?: AbortSignal,
): Promise<Inventory> {
  const pauses = new Pauses(signal);
  const inodes = new Map<FsNode<ErofsData>, Inode>();
  const first = addInode(inodes, root, "/");
  first.links = 2;
  const open: Visit[] = [
    { inode: first, node: root, path: "", parent: first },
  ];
  for (let visit = open.pop(); visit !== undefined; visit = open.pop()) {
    const folders = await takeDirectory(inodes, visit, pauses);
    for (const folder of folders.toReversed()) {
      open.push(folder);
    }
  }
  return inodes;
}

/** Adds what stands in a directory, and gives its folders, to be gone into. */
async function takeDirectory(
  inodes: Map<FsNode<ErofsData>, Inode>,
  { inode, node, path, parent }: Visit,
  pauses: Pauses,
): Promise<Visit[]> {
  const names = [".", "..", ...node.entries.keys()].toSorted();
  inode.listing = { names, blocks: packNames(names), parent };
  const folders: Visit[] = [];
  for (const name of names) {
    if (pauses.isDue()) await pauses.pause();
    const child = node.entries.get(name);
    if (child === undefined) continue;
    const childPath = `${path}/${name}`;
    checkName(name, childPath);
    const known = inodes.get(child);
    const entry = known ?? addInode(inodes, child, childPath);
    if (child.kind !== "directory") {
      entry.links += 1;
      continue;
    }
    if (known !== undefined) throw twice(childPath);
    entry.links = 2;
    inode.links += 1;
    folders.push({
      inode: entry,
      node: child,
      path: childPath,
      parent: inode,
    });
  }
  return folders;
}

function addInode(
  inodes: Map<FsNode<ErofsData>, Inode>,
  node: FsNode<ErofsData>,
  path: string,
): Inode {
  checkMetadata(node, path);
  if (node.kind === "symlink") checkTarget(node.target, path);
  if (node.kind === "char" || node.kind === "block") encodeDevice(node, path);
  const inode: Inode = {
    node,
    number: inodes.size + 1,
    xattrs: encodeXattrs(node.xattrs, path),
    links: 0,
    position: 0,
    firstBlock: 0,
  };
  inodes.set(node, inode);
  return inode;
}

function checkName(name: string, path: string): void {
  checkBinary(name, "name");
  const reason = name === "" || name === "." || name === ".." ||
      name.includes("/")
    ? "this is no name of a file"
    : name.length > NAME_BYTES_MAX
    ? `a name has at most ${NAME_BYTES_MAX} bytes`
    : undefined;
  if (reason !== undefined) throw invalid(path, reason);
}

function checkTarget(target: string, path: string): void {
  checkBinary(target, "target");
  if (target.length > 0 && target.length <= SYMLINK_BYTES_MAX) return;
  throw invalid(
    path,
    `a symbolic link's target has 1 to ${SYMLINK_BYTES_MAX} bytes`,
  );
}

function twice(path: string): Fault {
  return invalid(path, "a folder stands in one place only");
}

function invalid(path: string, reason: string): Fault {
  return new Fault(
    "invalid-image",
    `Cannot write "${shown(path)}": ${reason}`,
  );
}
