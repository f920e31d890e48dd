/**
 * Writes a backup: entries in, the bytes of the archive out, one after the
 * other, so that no more of it is in memory than a piece of a file.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type Part, PARTS_MAX } from "../archive/sparse.ts";
import { padding } from "../archive/tar_header.ts";
import { archiveEnd, entryHead, storedBytes } from "../archive/tar_writer.ts";
import type { Fault } from "../lib/fault.ts";
import { dataExtents } from "../lib/libc.ts";
import {
  CONTENTS_NAME,
  type ContentsEntry,
  contentsOf,
  encodeContents,
  FAILURE_NAME,
} from "./format.ts";

export type Bytes = AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;

/** Whose an entry is. */
export interface Owned {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
}

/** Of what was made for the backup itself. */
export const NOBODYS: Owned = { mode: 0o600, uid: 0, gid: 0, mtime: 0 };

const READ_BYTES = 256 * 1024;

/** Holes this small are stored as zeros: a map has its price too. */
const HOLE_BYTES_MIN = 4096;

export class BackupWriter {
  readonly #frame = createHash("sha256");
  readonly #entries: ContentsEntry[] = [];

  async *directory(path: string, owned: Owned): Bytes {
    const entry = { ...owned, kind: "directory", path, size: 0 } as const;
    yield await Promise.resolve(this.#head(entry, undefined));
    this.#entries.push({ ...fields(entry), stored: 0, sha256: "" });
  }

  /** A file whose bytes are at hand. */
  async *bytes(path: string, content: Uint8Array, owned: Owned): Bytes {
    const entry = {
      ...owned,
      kind: "file",
      path,
      size: content.length,
    } as const;
    yield await Promise.resolve(this.#head(entry, undefined));
    yield new Uint8Array(content);
    const sha256 = createHash("sha256").update(content).digest("hex");
    this.#entries.push({ ...fields(entry), stored: entry.size, sha256 });
    yield* this.#padding(entry.size);
  }

  /** A file of the host's, which must not change meanwhile; holes stay holes. */
  async *file(path: string, source: string): Bytes {
    using file = await Deno.open(source);
    const info = await file.stat();
    const { size } = info;
    const all = fewParts(dataExtents(source), size);
    const isWhole = storedBytes(all) === size;
    const parts = isWhole ? undefined : all;
    const entry = { ...ownedOf(info), kind: "file", path, size } as const;
    yield this.#head(entry, parts);
    const hash = createHash("sha256");
    for (const part of isWhole ? [{ offset: 0, length: size }] : all) {
      for await (const chunk of read(file, part, source)) {
        hash.update(chunk);
        yield chunk;
      }
    }
    const stored = storedBytes(all);
    this.#entries.push({
      ...fields(entry),
      stored,
      sha256: hash.digest("hex"),
    });
    yield* this.#padding(stored);
  }

  /** A folder like one of the host's, without what is in it. */
  async *folder(path: string, like: string): Bytes {
    yield* this.directory(path, ownedOf(await Deno.lstat(like)));
  }

  /** A folder of the host's, with all that is in it. */
  async *tree(path: string, source: string): Bytes {
    yield* this.folder(path, source);
    const entries = await Array.fromAsync(Deno.readDir(source));
    entries.sort((a, b) => a.name < b.name ? -1 : 1);
    for (const { name, isFile, isDirectory } of entries) {
      if (isDirectory) yield* this.tree(`${path}/${name}`, `${source}/${name}`);
      else if (isFile) yield* this.file(`${path}/${name}`, `${source}/${name}`);
    }
  }

  /** Why nothing more follows: with this it is no backup. */
  async *failure({ code, message, hint }: Fault): Bytes {
    const text = JSON.stringify({ code, error: message, hint });
    yield* this.bytes(FAILURE_NAME, new TextEncoder().encode(text), NOBODYS);
  }

  /** What was in it: with this it is a backup. */
  async *end(): Bytes {
    const frame = this.#frame.digest("hex");
    const content = encodeContents(contentsOf(this.#entries, frame));
    yield await Promise.resolve(contentsHead(content.length));
    yield new Uint8Array(content);
    yield new Uint8Array(padding(content.length));
    yield new Uint8Array(archiveEnd());
  }

  #head(
    entry: Omit<ContentsEntry, "stored" | "sha256">,
    parts: readonly Part[] | undefined,
  ): Uint8Array<ArrayBuffer> {
    const head = entryHead({ ...entry, name: tarName(entry), parts });
    this.#frame.update(head);
    return new Uint8Array(head);
  }

  *#padding(size: number): Generator<Uint8Array<ArrayBuffer>> {
    const zeros = new Uint8Array(padding(size));
    this.#frame.update(zeros);
    yield zeros;
  }
}

/** The header of the last entry: of a given length there is only one. */
export function contentsHead(size: number): Uint8Array<ArrayBuffer> {
  const name = CONTENTS_NAME;
  const head = entryHead({ ...NOBODYS, kind: "file", name, size });
  return new Uint8Array(head);
}

function fields(
  { path, kind, mode, uid, gid, mtime, size }: Omit<
    ContentsEntry,
    "stored" | "sha256"
  >,
): Omit<ContentsEntry, "stored" | "sha256"> {
  return { path, kind, mode, uid, gid, mtime, size };
}

function tarName(
  { path, kind }: Pick<ContentsEntry, "path" | "kind">,
): string {
  return kind === "directory" ? `${path}/` : path;
}

function ownedOf({ mode, uid, gid, mtime }: Deno.FileInfo): Owned {
  return {
    mode: (mode ?? 0o600) & 0o7777,
    uid: uid ?? 0,
    gid: gid ?? 0,
    mtime: Math.max(0, Math.floor((mtime?.getTime() ?? 0) / 1000)),
  };
}

/** The parts, joined over small holes until there are no more than a reader takes. */
export function fewParts(parts: readonly Part[], size: number): Part[] {
  let few = joined(parts, HOLE_BYTES_MIN);
  for (
    let hole = 2 * HOLE_BYTES_MIN;
    few.length >= PARTS_MAX && hole < size;
    hole *= 2
  ) few = joined(few, hole);
  return few;
}

function joined(parts: readonly Part[], holeMin: number): Part[] {
  const result: { offset: number; length: number }[] = [];
  for (const { offset, length } of parts) {
    const last = result.at(-1);
    const end = last === undefined ? 0 : last.offset + last.length;
    if (last !== undefined && offset - end < holeMin) {
      last.length = offset + length - last.offset;
    } else result.push({ offset, length });
  }
  return result;
}

async function* read(
  file: Deno.FsFile,
  { offset, length }: Part,
  source: string,
): Bytes {
  await file.seek(offset, Deno.SeekMode.Start);
  for (let left = length; left > 0;) {
    const chunk = new Uint8Array(Math.min(left, READ_BYTES));
    const count = await file.read(chunk);
    if (count === null) {
      throw new Error(`"${source}" became shorter while it was read`);
    }
    left -= count;
    yield chunk.subarray(0, count);
  }
}
