/**
 * Brings files and folders of the host into the tree, as `[mappings]` says.
 *
 * The source a mapping names is followed when it is a symbolic link: one wants
 * the file. Links inside a mapped folder stay links. Mappings are applied in
 * the order they are written; a later one replaces files of an earlier one.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import type { Mapping } from "./fledge_toml.ts";
import {
  hostFileOf,
  nameOf,
  pathFrom,
  statFile,
  unreadable,
} from "./host_files.ts";
import { DIRECTORY_MODE, modeOfMappedFile } from "./permissions.ts";
import { guestPath, type RootTree } from "./tree.ts";

/** How deep folders may lie in one another; a loop of mounts has no end. */
const DEPTH_MAX = 128;

/** What a byte that is not UTF-8 becomes in a name that was read. */
const REPLACED_BYTE = "\ufffd";

export interface MappingContext {
  /** Folder that relative sources are seen from. */
  readonly base: string;
  readonly signal: AbortSignal;
}

export async function applyMappings(
  tree: RootTree,
  mappings: readonly Mapping[],
  context: MappingContext,
): Promise<void> {
  for (const mapping of mappings) {
    context.signal.throwIfAborted();
    const source = pathFrom(context.base, mapping.source);
    const info = await statFile(source, "which a mapping names");
    if (info.isDirectory) {
      const path = guestPath(mapping.dst);
      const owner = { uid: mapping.uid, gid: mapping.gid };
      if (path !== "/") {
        const mode = mapping.mode ?? DIRECTORY_MODE;
        tree.put(path, { kind: "directory", mode, ...owner });
      }
      const folder = { source, path: path === "/" ? "" : path, depth: 0 };
      await addFolder(tree, folder, owner, context.signal);
    } else {
      const isInto = mapping.dst.endsWith("/");
      const dst = isInto ? mapping.dst + nameOf(source) : mapping.dst;
      addFile(tree, { source, path: guestPath(dst), info }, mapping);
    }
  }
}

interface Folder {
  readonly source: string;
  /** In the guest; empty for its root. */
  readonly path: string;
  readonly depth: number;
}

interface Ids {
  readonly uid: number;
  readonly gid: number;
}

async function addFolder(
  tree: RootTree,
  folder: Folder,
  owner: Ids,
  signal: AbortSignal,
): Promise<void> {
  if (folder.depth > DEPTH_MAX) {
    throw new Fault(
      "build-failed",
      `Cannot map "${folder.source}": its folders are more than ${DEPTH_MAX} deep`,
    );
  }
  for (const name of await namesIn(folder.source)) {
    signal.throwIfAborted();
    const source = `${folder.source}/${name}`;
    const path = `${folder.path}/${name}`;
    const info = await statInFolder(source, name);
    if (info.isSymlink) {
      const target = await targetOf(source);
      tree.put(path, { kind: "symlink", mode: 0o777, target, ...owner });
    } else if (info.isDirectory) {
      tree.put(path, { kind: "directory", mode: DIRECTORY_MODE, ...owner });
      const below = { source, path, depth: folder.depth + 1 };
      await addFolder(tree, below, owner, signal);
    } else addFile(tree, { source, path, info }, owner);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(folder)) names.push(name);
    names.sort();
    // Only names that are not UTF-8 can be read alike.
    const twin = names.find((name, at) => names[at + 1] === name);
    if (twin !== undefined) throw notUtf8(`${folder}/${twin}`, "its name is");
    return names;
  } catch (cause) {
    throw unreadable(folder, "which is a mapped folder", cause);
  }
}

async function statInFolder(
  source: string,
  name: string,
): Promise<Deno.FileInfo> {
  try {
    return await Deno.lstat(source);
  } catch (cause) {
    if (
      name.includes(REPLACED_BYTE) && cause instanceof Deno.errors.NotFound
    ) throw notUtf8(source, "its name is", cause);
    throw unreadable(source, "which lies in a mapped folder", cause);
  }
}

async function targetOf(link: string): Promise<string> {
  try {
    return await Deno.readLink(link);
  } catch (cause) {
    if (cause instanceof Deno.errors.InvalidData) {
      throw notUtf8(link, "it leads to a path that is", cause);
    }
    throw unreadable(link, "which lies in a mapped folder", cause);
  }
}

function notUtf8(source: string, what: string, cause?: unknown): Fault {
  return new Fault(
    "build-failed",
    `Cannot map "${source}": ${what} not UTF-8`,
    {
      cause,
      hint: "Rename it, or move it out of the mapped folder",
    },
  );
}

interface FileToAdd {
  readonly source: string;
  readonly path: string;
  readonly info: Deno.FileInfo;
}

function addFile(
  tree: RootTree,
  { source, path, info }: FileToAdd,
  owner: Ids & { readonly mode?: number | undefined },
): void {
  if (!info.isFile) {
    throw new Fault(
      "build-failed",
      `Cannot map "${source}": it is a socket, a pipe or a device`,
      { hint: "Move it out of the mapped folder; the guest makes its own" },
    );
  }
  tree.put(path, {
    kind: "file",
    mode: owner.mode ?? modeOfMappedFile(info.mode ?? 0, path),
    uid: owner.uid,
    gid: owner.gid,
    content: hostFileOf(source, info),
  });
}
