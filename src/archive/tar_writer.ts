/**
 * The blocks that stand before a file in a tar archive, as any tar reads them:
 * ustar, with PAX records for what that has no room for, and files with holes
 * in the form 1.0 of GNU, which keeps the map of a file before its contents.
 *
 * Contents and the padding after them are written by the caller.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Part } from "./sparse.ts";
import { BLOCK_BYTES, padding } from "./tar_header.ts";

export interface NewEntry {
  readonly kind: "file" | "directory";
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  /** Of a file, its holes included. */
  readonly size: number;
  /** Where its data lies; absent: it has no holes. */
  readonly parts?: readonly Part[] | undefined;
}

/** What a header's fields have room for. */
const NAME_BYTES_MAX = 100;
const ID_MAX = 0o7777777;
const SIZE_MAX = 0o77777777777;

const ASCII_REGEXP = /^[\x20-\x7e]*$/;

/** All that stands before the contents: headers and, of a file with holes, the map. */
export function entryHead(entry: NewEntry): Uint8Array {
  const { kind, name, parts } = entry;
  const map = parts === undefined ? "" : sparseMap(parts, entry.size);
  const stored = kind === "directory"
    ? 0
    : parts === undefined
    ? entry.size
    : map.length + storedBytes(parts);
  const shown = parts === undefined ? name : `GNUSparseFile.0/${name}`;
  const records = neededRecords(entry, shown, stored);
  const blocks: Uint8Array[] = [];
  if (records.length > 0) {
    const text = Buffer.from(records.map(paxRecord).join(""));
    const bare = { ...entry, mode: 0o600, uid: 0, gid: 0 };
    blocks.push(
      header(bare, { flag: "x", name: "PaxHeaders/entry", size: text.length }),
      text,
      new Uint8Array(padding(text.length)),
    );
  }
  const flag = kind === "directory" ? "5" : "0";
  blocks.push(header(entry, { flag, name: shown, size: stored }));
  blocks.push(Buffer.from(map, "latin1"));
  return new Uint8Array(Buffer.concat(blocks));
}

/** The two blocks of zeros that end an archive. */
export function archiveEnd(): Uint8Array {
  return new Uint8Array(2 * BLOCK_BYTES);
}

/** Bytes of a file that are in the archive. */
export function storedBytes(parts: readonly Part[]): number {
  return parts.reduce((total, { length }) => total + length, 0);
}

/** Numbers, one a line, in whole blocks: how many parts, then each part. */
function sparseMap(parts: readonly Part[], size: number): string {
  const last = parts.at(-1);
  const end = last === undefined ? 0 : last.offset + last.length;
  // A hole at the end is told by a part of no bytes behind it.
  const all = end === size ? parts : [...parts, { offset: size, length: 0 }];
  const lines = all.map(({ offset, length }) => `${offset}\n${length}\n`);
  const text = `${all.length}\n${lines.join("")}`;
  return text + "\0".repeat(padding(text.length));
}

function neededRecords(
  { name, uid, gid, size, parts }: NewEntry,
  shown: string,
  stored: number,
): (readonly [key: string, value: string])[] {
  const records: [string, string][] = [];
  if (parts !== undefined) {
    records.push(
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.name", name],
      ["GNU.sparse.realsize", String(size)],
    );
  }
  if (shown.length > NAME_BYTES_MAX || !ASCII_REGEXP.test(shown)) {
    records.push(["path", shown]);
  }
  if (stored > SIZE_MAX) records.push(["size", String(stored)]);
  if (uid > ID_MAX) records.push(["uid", String(uid)]);
  if (gid > ID_MAX) records.push(["gid", String(gid)]);
  return records;
}

/** The number before a record counts its own digits too. */
function paxRecord([key, value]: readonly [string, string]): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + 1;
  while (String(length).length + bytes !== length) length += 1;
  return `${length}${rest}`;
}

function header(
  { mode, uid, gid, mtime }: NewEntry,
  { flag, name, size }: {
    readonly flag: string;
    readonly name: string;
    readonly size: number;
  },
): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (at: number, length: number, value: number) => {
    const digits = value.toString(8);
    // What has no room stands in a record.
    if (digits.length >= length) return;
    block.write(digits.padStart(length - 1, "0"), at, "latin1");
  };
  block.write(name, 0, NAME_BYTES_MAX, "utf8");
  octal(100, 8, mode);
  octal(108, 8, uid);
  octal(116, 8, gid);
  octal(124, 12, size);
  octal(136, 12, Math.max(0, mtime));
  block.write(`${" ".repeat(8)}${flag}`, 148, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  octal(329, 8, 0);
  octal(337, 8, 0);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
