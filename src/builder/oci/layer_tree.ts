/**
 * The tree of an image put together from what its layers say, lowest first. It
 * is made of names alone and lies in memory: a link to the host's /etc leads to
 * the image's own, and `..` never above its root. Folders on the way to a name
 * are followed through symbolic links, as unpacking below a root would.
 *
 * @module
 */

import { Pauses } from "../erofs/pauses.ts";
import type { DirectoryNode, SymlinkNode } from "../erofs/tree.ts";
import { quoted } from "../../archive/problem.ts";
import { damaged } from "./image_problem.ts";
import {
  DEPTH_MAX,
  type LayerRecord,
  type Leaf,
  type Owned,
} from "./layer_records.ts";
import type { Budget } from "./limits.ts";

/** A folder of a tree in the making. */
export interface OpenDirectory<Data> {
  readonly kind: "directory";
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  mtimeNs: number;
  xattrs?: ReadonlyMap<string, Uint8Array>;
  readonly entries: Map<string, OpenNode<Data>>;
}

type OpenNode<Data> = OpenDirectory<Data> | Leaf<Data>;

/** As deep as Linux follows links (MAXSYMLINKS). */
const SYMLINKS_MAX = 40;

export class LayerTree<Data> {
  readonly root: OpenDirectory<Data>;
  readonly #budget: Budget;
  /** Names the layer at hand has put: its whiteouts hide only what is older. */
  #fresh = new Map<OpenDirectory<Data>, Set<string>>();
  readonly #ways = new Map<SymlinkNode, string>();

  constructor(budget: Budget) {
    this.#budget = budget;
    this.root = newDirectory();
  }

  /** Puts a layer on those that are there; lets others run now and then. */
  async apply(
    records: readonly LayerRecord<Data>[],
    signal: AbortSignal,
  ): Promise<void> {
    const pauses = new Pauses(signal);
    this.#fresh = new Map();
    for (const record of records) {
      this.#applyRecord(record);
      if (pauses.isDue()) await pauses.pause();
    }
    this.#fresh = new Map();
  }

  /** What a path of the image leads to, links followed; undefined for nothing. */
  find(path: string): OpenNode<Data> | undefined {
    const { directory, name } = this.#walk(path, { isMaking: false });
    if (directory === undefined) return undefined;
    return name === "" ? directory : directory.entries.get(name);
  }

  /** Files whose content is not there. */
  openFiles(): Set<Leaf<Data>> {
    const found = new Set<Leaf<Data>>();
    const pending = [this.root];
    for (let each = pending.pop(); each !== undefined; each = pending.pop()) {
      for (const node of each.entries.values()) {
        if (node.kind === "directory") pending.push(node);
        else if (node.kind === "file" && node.data === undefined) {
          found.add(node);
        }
      }
    }
    return found;
  }

  /** The tree, as soon as all contents are there. */
  complete(): DirectoryNode<Data> {
    if (this.openFiles().size === 0 && isComplete<Data>(this.root)) {
      return this.root;
    }
    throw new Error("a file of the image has no content");
  }

  #applyRecord(record: LayerRecord<Data>): void {
    const { path } = record;
    if (record.kind === "opaque") {
      return this.#hideOlder(this.#directory(path));
    }
    if (path === "") {
      if (record.kind === "directory") this.#own(this.root, record.owned);
      return;
    }
    const slash = path.lastIndexOf("/");
    const directory = this.#directory(path.slice(0, Math.max(slash, 0)));
    const name = path.slice(slash + 1);
    switch (record.kind) {
      case "whiteout":
        return this.#hide(directory, name);
      case "directory": {
        const there = directory.entries.get(name);
        const isKept = there?.kind === "directory";
        const own = isKept ? there : newDirectory<Data>();
        this.#own(own, record.owned);
        return this.#put(directory, name, own);
      }
      case "link":
        return this.#put(directory, name, this.#linked(path, record.target));
      case "leaf":
        return this.#put(directory, name, record.node);
    }
  }

  #linked(path: string, target: string): Leaf<Data> {
    const slash = target.lastIndexOf("/");
    const folder = target.slice(0, Math.max(slash, 0));
    const way = this.#walk(folder, { isMaking: false });
    // A name that is left over is that of a folder which is not there.
    const node = way.name === ""
      ? way.directory?.entries.get(target.slice(slash + 1))
      : undefined;
    if (node === undefined || node.kind === "directory") {
      throw damaged(
        `${quoted(path)} is a hard link to ${quoted(target)}, which is ${
          node === undefined ? "not there" : "a folder"
        }`,
      );
    }
    return node;
  }

  #put(
    directory: OpenDirectory<Data>,
    name: string,
    node: OpenNode<Data>,
  ): void {
    directory.entries.set(name, node);
    this.#mark(directory, name);
  }

  #mark(directory: OpenDirectory<Data>, name: string): void {
    const names = this.#fresh.get(directory);
    if (names === undefined) this.#fresh.set(directory, new Set([name]));
    else names.add(name);
  }

  #hide(directory: OpenDirectory<Data>, name: string): void {
    if (!this.#fresh.get(directory)?.has(name)) {
      directory.entries.delete(name);
      return;
    }
    const node = directory.entries.get(name);
    if (node?.kind === "directory") this.#hideOlder(node);
  }

  #hideOlder(directory: OpenDirectory<Data>): void {
    const names = this.#fresh.get(directory);
    if (names === undefined) return directory.entries.clear();
    this.#budget.spend("steps", directory.entries.size);
    for (const name of [...directory.entries.keys()]) {
      this.#hide(directory, name);
    }
  }

  /** The folder at a path, made where it is not there. */
  #directory(path: string): OpenDirectory<Data> {
    const { directory } = this.#walk(path, { isMaking: true });
    if (directory === undefined) throw new Error("a folder was not made");
    return directory;
  }

  /**
   * Follows a path through folders and links. Where it leads to no folder, its
   * last name is left over, or one is made: a plain folder of root, in place of
   * whatever is there.
   */
  #walk(
    path: string,
    { isMaking }: { readonly isMaking: boolean },
  ): { directory: OpenDirectory<Data> | undefined; name: string } {
    const pending: string[] = [];
    this.#push(pending, path);
    const way: OpenDirectory<Data>[] = [];
    let directory = this.root;
    for (let links = 0;;) {
      const name = pending.pop();
      if (name === undefined) return { directory, name: "" };
      if (name === "") continue;
      if (name === "..") {
        directory = way.pop() ?? this.root;
        continue;
      }
      let next = directory.entries.get(name);
      if (next?.kind === "symlink") {
        links += 1;
        if (links > SYMLINKS_MAX) {
          throw damaged(`the symbolic links of ${quoted(path)} go in circles`);
        }
        if (next.target.startsWith("/")) {
          way.length = 0;
          directory = this.root;
        }
        this.#push(pending, this.#way(next));
        continue;
      }
      if (next?.kind !== "directory") {
        if (!isMaking) {
          const isLast = pending.length === 0;
          return { directory: isLast ? directory : undefined, name };
        }
        // One that a record names is counted as that.
        this.#budget.spend("entries", 1);
        next = newDirectory();
        directory.entries.set(name, next);
      }
      if (isMaking) this.#mark(directory, name);
      way.push(directory);
      directory = next;
      if (way.length > DEPTH_MAX) {
        throw damaged(`${quoted(path)} goes deeper than ${DEPTH_MAX} folders`);
      }
    }
  }

  /** Adds the names of a path, the first on top; each will be a step. */
  #push(pending: string[], path: string): void {
    const names = path.split("/");
    this.#budget.spend("steps", names.length);
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      pending.push(name);
    }
  }

  /** A link's target without the parts that lead nowhere: `/.//a/.` is a. */
  #way(link: SymlinkNode): string {
    const known = this.#ways.get(link);
    if (known !== undefined) return known;
    const way = link.target.split("/")
      .filter((each) => each !== "" && each !== ".").join("/");
    this.#ways.set(link, way);
    return way;
  }

  #own(directory: OpenDirectory<Data>, owned: Owned): void {
    directory.mode = owned.mode;
    directory.uid = owned.uid;
    directory.gid = owned.gid;
    directory.mtime = owned.mtime;
    directory.mtimeNs = owned.mtimeNs;
    if (owned.xattrs === undefined) delete directory.xattrs;
    else directory.xattrs = owned.xattrs;
  }
}

function newDirectory<Data>(): OpenDirectory<Data> {
  return {
    kind: "directory",
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: 0,
    mtimeNs: 0,
    entries: new Map(),
  };
}

function isComplete<Data>(
  root: OpenDirectory<Data>,
): root is OpenDirectory<Data> & DirectoryNode<Data> {
  for (const node of root.entries.values()) {
    if (node.kind === "file" && node.data === undefined) return false;
  }
  return true;
}
