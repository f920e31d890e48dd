/**
 * Tar archives for tests, byte by byte: also such as no honest program writes.
 * Names are binary strings, one character per byte.
 */

import { Buffer } from "node:buffer";

export interface TarFile {
  readonly name: string;
  /** The type flag; a file when absent. */
  readonly type?: string;
  readonly content?: string | Uint8Array;
  readonly linkName?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly major?: number;
  readonly minor?: number;
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
  /** PAX records before it, as they stand. */
  readonly pax?: readonly (readonly [key: string, value: string])[];
  /** In place of the content's length. */
  readonly size?: number;
  readonly magic?: "ustar" | "gnu" | "old";
  /** Changes the header before its sum is taken. */
  readonly patch?: (header: Uint8Array) => void;
}

const BLOCK_BYTES = 512;

/** Header, content and padding of each, and the two blocks of the end. */
export function tar(files: readonly TarFile[]): Uint8Array<ArrayBuffer> {
  const parts = files.flatMap((file) => [...tarParts(file)]);
  return new Uint8Array(
    Buffer.concat([...parts, new Uint8Array(2 * BLOCK_BYTES)]),
  );
}

export function* tarParts(file: TarFile): Generator<Uint8Array> {
  const records = [...file.pax ?? [], ...neededRecords(file)];
  if (records.length > 0) {
    const text = records.map(([key, value]) => paxRecord(key, value)).join("");
    yield* withContent(
      header({ name: "PaxHeader", type: "x", size: text.length }),
      bytesOf(text),
    );
  }
  const content = bytesOf(file.content ?? "");
  const size = file.size ?? content.length;
  yield* withContent(header({ ...file, size }), content);
}

/** The header of a file whose content the caller writes, with its padding. */
export function* tarStart(file: TarFile & { readonly size: number }): Generator<
  Uint8Array
> {
  const [first, ...rest] = [...tarParts({ ...file, content: "" })];
  if (first !== undefined) yield first;
  yield* rest;
}

export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES);
}

export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length += 1;
  return `${length}${rest}`;
}

export function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? Buffer.from(content, "latin1") : content;
}

/** What the header's fields have no room for. */
function neededRecords(
  { name, linkName = "", size, content = "", xattrs = {}, uid = 0, gid = 0 }:
    TarFile,
): [string, string][] {
  const records: [string, string][] = [];
  if (name.length > 100) records.push(["path", name]);
  if (linkName.length > 100) records.push(["linkpath", linkName]);
  if ((size ?? content.length) > 0o77777777777) {
    records.push(["size", String(size ?? content.length)]);
  }
  if (uid > 0o7777777) records.push(["uid", String(uid)]);
  if (gid > 0o7777777) records.push(["gid", String(gid)]);
  for (const [key, value] of Object.entries(xattrs)) {
    const text = Buffer.from(value).toString("latin1");
    records.push([`SCHILY.xattr.${key}`, text]);
  }
  return records;
}

function* withContent(
  block: Uint8Array,
  content: Uint8Array,
): Generator<Uint8Array> {
  yield block;
  if (content.length === 0) return;
  yield content;
  yield tarPadding(content.length);
}

function header(file: TarFile): Uint8Array {
  const { type = "0", magic = "ustar" } = file;
  const block = new Uint8Array(BLOCK_BYTES);
  const put = (at: number, text: string) => block.set(bytesOf(text), at);
  const octal = (at: number, length: number, value: number) => {
    const digits = value.toString(8);
    put(at, digits.length < length ? digits.padStart(length - 1, "0") : "0");
  };
  put(0, file.name.slice(0, 100));
  octal(100, 8, file.mode ?? (type === "5" ? 0o755 : 0o644));
  octal(108, 8, file.uid ?? 0);
  octal(116, 8, file.gid ?? 0);
  octal(124, 12, file.size ?? 0);
  octal(136, 12, file.mtime ?? 0);
  put(156, type);
  put(157, (file.linkName ?? "").slice(0, 100));
  if (magic === "ustar") put(257, "ustar\x0000");
  else if (magic === "gnu") put(257, "ustar  \0");
  octal(329, 8, file.major ?? 0);
  octal(337, 8, file.minor ?? 0);
  file.patch?.(block);
  put(148, "        ");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}
