/**
 * What one layer says about the tree of an image: which names it brings, which
 * names of the layers below it hides. Names are checked here, so that nothing
 * after needs to doubt them.
 *
 * @module
 */

import type { DeviceNode, PipeNode, SymlinkNode } from "../erofs/tree.ts";
import { quoted } from "../../archive/problem.ts";
import { damaged } from "./image_problem.ts";
import type { Budget } from "./limits.ts";
import { xattrCost } from "../../archive/pax.ts";
import type { TarEntry } from "../../archive/tar_reader.ts";

/** A file of a tree in the making; its content may come later. */
export interface OpenFile<Data> extends Owned {
  readonly kind: "file";
  data: Data | undefined;
}

export interface Owned {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

export type Leaf<Data> = OpenFile<Data> | SymlinkNode | DeviceNode | PipeNode;

/** Paths have no leading, trailing or doubled `/`; the root's is empty. */
export type LayerRecord<Data> =
  | { readonly kind: "leaf"; readonly path: string; readonly node: Leaf<Data> }
  | { readonly kind: "directory"; readonly path: string; readonly owned: Owned }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  /** Hides what lower layers have at this path. */
  | { readonly kind: "whiteout"; readonly path: string }
  /** Hides what lower layers have in this folder. */
  | { readonly kind: "opaque"; readonly path: string };

const PATH_BYTES_MAX = 4095;
const NAME_BYTES_MAX = 255;

/** Folders in folders; each costs time wherever a path is followed. */
export const DEPTH_MAX = 256;

const ID_MAX = 0xffff_fffe;
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xf_ffff;

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** Notes of a file system that layers were once made with. */
const AUFS_NOTE = /^\.wh\.\.wh\./;

/** Undefined for an entry that says nothing of the tree. */
export function recordOf<Data>(
  entry: TarEntry,
  budget: Budget,
): LayerRecord<Data> | undefined {
  const path = cleanPath(entry.name);
  budget.spend("entries", 1);
  budget.spend("nameBytes", path.length + entry.linkName.length);
  for (const [name, value] of entry.xattrs ?? []) {
    budget.spend("xattrBytes", xattrCost(name.length + value.length));
  }
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  if (name.startsWith(WHITEOUT)) {
    return whiteout(slash < 0 ? "" : path.slice(0, slash), name);
  }
  if (entry.kind === "link") {
    return { kind: "link", path, target: cleanPath(entry.linkName) };
  }
  const owned = ownedBy(entry, path);
  if (entry.kind === "directory") return { kind: "directory", path, owned };
  if (path === "") throw damaged("its root is no folder");
  return { kind: "leaf", path, node: leafOf(entry, path, owned) };
}

/** `./a//b/` is a/b. What begins with `/` counts from the image's root, too. */
function cleanPath(written: string): string {
  const names = written.split("/").filter((each) =>
    each !== "" && each !== "."
  );
  const problem = names.includes("..")
    ? "it contains '..'"
    : written.includes("\0")
    ? "it contains a NUL byte"
    : names.length > DEPTH_MAX
    ? `it goes deeper than ${DEPTH_MAX} folders`
    : written.length > PATH_BYTES_MAX ||
        names.some((each) => each.length > NAME_BYTES_MAX)
    ? "it is longer than Linux allows"
    : undefined;
  if (problem === undefined) return names.join("/");
  throw damaged(`it holds the path ${quoted(written)}: ${problem}`);
}

function whiteout<Data>(
  folder: string,
  name: string,
): LayerRecord<Data> | undefined {
  if (name === OPAQUE) return { kind: "opaque", path: folder };
  if (AUFS_NOTE.test(name)) return undefined;
  const hidden = name.slice(WHITEOUT.length);
  if (hidden === "" || hidden === "." || hidden === "..") {
    throw damaged(`it holds the whiteout ${quoted(name)}, which hides nothing`);
  }
  const path = folder === "" ? hidden : `${folder}/${hidden}`;
  return { kind: "whiteout", path };
}

function ownedBy(entry: TarEntry, path: string): Owned {
  const { mode, uid, gid, mtime, mtimeNs, xattrs } = entry;
  if (uid < 0 || uid > ID_MAX || gid < 0 || gid > ID_MAX) {
    throw damaged(`${quoted(path)} belongs to user ${uid}, group ${gid}`);
  }
  const owned = { mode, uid, gid, mtime, mtimeNs };
  return xattrs === undefined ? owned : { ...owned, xattrs };
}

function leafOf<Data>(
  { kind, linkName, major, minor }: TarEntry,
  path: string,
  owned: Owned,
): Leaf<Data> {
  switch (kind) {
    case "symlink":
      if (
        linkName === "" || linkName.length > PATH_BYTES_MAX ||
        linkName.includes("\0")
      ) {
        throw damaged(`the symbolic link ${quoted(path)} leads nowhere`);
      }
      return { ...owned, kind, target: linkName };
    case "char":
    case "block":
      if (major < 0 || major > MAJOR_MAX || minor < 0 || minor > MINOR_MAX) {
        throw damaged(`the device ${quoted(path)} has numbers Linux has not`);
      }
      return { ...owned, kind, major, minor };
    case "fifo":
      return { ...owned, kind };
    default:
      return { ...owned, kind: "file", data: undefined };
  }
}
