/**
 * The file tree of an artifact while it is put together: names, modes and
 * where contents come from, never the contents. It lives in memory alone, so
 * nothing a mapping says (`..`, a symbolic link to the host's /etc) can reach
 * a file of the host, and an ordinary user can give files to root.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";

export interface Owner {
  /** Permission bits with setuid, setgid and sticky; no file type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface DirectoryEntry extends Owner {
  readonly kind: "directory";
}

export interface FileEntry extends Owner {
  readonly kind: "file";
  readonly content: Uint8Array | HostFile;
}

/** A file of the host as it was when it was looked at. */
export interface HostFile {
  readonly path: string;
  readonly size: number;
  readonly dev: number;
  readonly ino: number | null;
}

export interface SymlinkEntry extends Owner {
  readonly kind: "symlink";
  readonly target: string;
}

export interface CharDeviceEntry extends Owner {
  readonly kind: "char-device";
  readonly major: number;
  readonly minor: number;
}

export type Entry =
  | DirectoryEntry
  | FileEntry
  | SymlinkEntry
  | CharDeviceEntry;

export const ROOT_OWNED = { uid: 0, gid: 0 } as const;

/** As deep as Linux follows links (MAXSYMLINKS). */
const SYMLINKS_MAX = 40;

const PATH_BYTES_MAX = 4095;
const NAME_BYTES_MAX = 255;

export class RootTree {
  readonly #entries = new Map<string, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  get(path: string): Entry | undefined {
    return this.#entries.get(path);
  }

  /**
   * Puts an entry at an absolute path and makes the folders above it. A file
   * or link replaces a file or link, a folder's mode and owner that of a
   * folder; a file never a folder, nor the other way round.
   */
  put(path: string, entry: Entry): void {
    checkLengths(path);
    this.#makeParents(path);
    const existing = this.#entries.get(path);
    const isFolder = entry.kind === "directory";
    if (
      existing !== undefined && (existing.kind === "directory") !== isFolder
    ) {
      throw new Fault(
        "build-failed",
        `Cannot put a ${entry.kind} at "${path}": a ${existing.kind} is there already`,
        { hint: "Change one of the mappings that lead there" },
      );
    }
    this.#entries.set(path, entry);
  }

  /** As `put`, unless something is there, or a link leads away from there. */
  putIfFree(path: string, entry: Entry): boolean {
    if (this.#entries.has(path) || this.resolve(path) !== path) return false;
    this.put(path, entry);
    return true;
  }

  /**
   * The path after following the tree's own symbolic links, as the guest's
   * kernel would; what is not in the tree stays as it is.
   */
  resolve(path: string): string {
    const pending = path.split("/").filter((name) => name !== "").reverse();
    let resolved: string[] = [];
    for (let links = 0; pending.length > 0;) {
      const name = pending.pop() ?? "";
      if (name === ".") continue;
      if (name === "..") {
        resolved.pop();
        continue;
      }
      const here = `/${[...resolved, name].join("/")}`;
      const entry = this.#entries.get(here);
      if (entry?.kind !== "symlink") {
        resolved.push(name);
        continue;
      }
      links += 1;
      if (links > SYMLINKS_MAX) {
        throw new Fault(
          "build-failed",
          `Cannot follow "${path}": its symbolic links go in circles`,
        );
      }
      if (entry.target.startsWith("/")) resolved = [];
      const names = entry.target.split("/").filter((each) => each !== "");
      pending.push(...names.reverse());
    }
    return `/${resolved.join("/")}`;
  }

  /** All entries, sorted by the bytes of their paths; parents come first. */
  sorted(): [path: string, entry: Entry][] {
    const encoder = new TextEncoder();
    return [...this.#entries]
      .map(([path, entry]) => ({ path, entry, bytes: encoder.encode(path) }))
      .sort((a, b) => compareBytes(a.bytes, b.bytes))
      .map(({ path, entry }) => [path, entry]);
  }

  #makeParents(path: string): void {
    const names = path.split("/").slice(1, -1);
    let parent = "";
    for (const name of names) {
      parent += `/${name}`;
      const entry = this.#entries.get(parent);
      if (entry === undefined) {
        this.#entries.set(parent, {
          kind: "directory",
          mode: 0o755,
          ...ROOT_OWNED,
        });
      } else if (entry.kind !== "directory") throw this.#blocked(path, parent);
    }
  }

  #blocked(path: string, parent: string): Fault {
    const entry = this.#entries.get(parent);
    const isLink = entry?.kind === "symlink";
    return new Fault(
      "build-failed",
      `Cannot put "${path}" into the artifact: "${parent}" is a ${
        isLink ? `symbolic link to "${entry.target}"` : entry?.kind
      }`,
      {
        hint: isLink
          ? `Map to "${this.resolve(path)}", where the link leads`
          : "Change one of the mappings that lead there",
      },
    );
  }
}

/** An absolute path in its one spelling; `..` and NUL are refused. */
export function guestPath(path: string): string {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  const problem = !path.startsWith("/")
    ? "it does not start with '/'"
    : names.includes("..")
    ? "it contains '..'"
    : path.includes("\0")
    ? "it contains a NUL byte"
    : undefined;
  if (problem !== undefined) {
    throw new Fault(
      "invalid-input",
      `Cannot use "${path}" as a path in the guest: ${problem}`,
      { hint: "Write an absolute path, such as /usr/bin/app" },
    );
  }
  return `/${names.join("/")}`;
}

function checkLengths(path: string): void {
  const encoder = new TextEncoder();
  const isTooLong = encoder.encode(path).length > PATH_BYTES_MAX ||
    path.split("/").some((name) =>
      encoder.encode(name).length > NAME_BYTES_MAX
    );
  if (!isTooLong) return;
  throw new Fault(
    "build-failed",
    `Cannot put "${
      path.slice(0, 80)
    }..." into the artifact: it is longer than Linux allows`,
  );
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
