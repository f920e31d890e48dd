/**
 * The records of a PAX header: `length key=value`, in which anything a plain
 * header has no room for is said.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { damaged, quoted } from "./problem.ts";

export interface PaxRecords {
  /** Keys and values are binary strings; the last of a key counts. */
  readonly values: ReadonlyMap<string, string>;
  /** Offsets and lengths in turn, of the form that repeats its keys. */
  readonly sparseMap: readonly string[];
}

export const NO_RECORDS: PaxRecords = { values: new Map(), sparseMap: [] };

const XATTR_PREFIX = "SCHILY.xattr.";

/**
 * Of an image's attributes those a file system of ours can hold. Left out is
 * what belongs to the host that built the image: its overlays' notes, which the
 * guest's own overlay would take for its own, and its labels.
 */
const KEPT_XATTRS =
  /^(?:(?:user\.|security\.(?!selinux$)|trusted\.(?!overlay\.)).|system\.posix_acl_(?:access|default)$)/s;

/** About what an inode of ours has room for; Linux allows a file no more either. */
const XATTRS_BYTES_MAX = 256 * 1024;

const EMPTY: Uint8Array = new Uint8Array(0);

export function parsePax(text: string): PaxRecords {
  const values = new Map<string, string>();
  const sparseMap: string[] = [];
  for (let at = 0; at < text.length;) {
    const space = text.indexOf(" ", at);
    const digits = space < 0 ? "" : text.slice(at, space);
    const end = /^[0-9]{1,9}$/.test(digits) ? at + Number(digits) : 0;
    const equals = text.indexOf("=", space);
    const isRecord = end > space && end <= text.length &&
      text[end - 1] === "\n" && equals > space + 1 && equals < end;
    if (!isRecord) throw damaged("a PAX header is malformed");
    const key = text.slice(space + 1, equals);
    const value = text.slice(equals + 1, end - 1);
    if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") {
      sparseMap.push(value);
    }
    values.set(key, value);
    at = end;
  }
  return { values, sparseMap };
}

/** A whole number that a record gives; undefined if it gives none. */
export function paxInteger(pax: PaxRecords, key: string): number | undefined {
  const text = pax.values.get(key);
  if (text === undefined || text === "") return undefined;
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw damaged(`a PAX header has ${quoted(text)} for ${key}`);
}

export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** `mtime` of the records: decimal, with a fraction, below 0 before 1970. */
export function paxTime(pax: PaxRecords): Time | undefined {
  const text = pax.values.get("mtime");
  if (text === undefined || text === "") return undefined;
  const match = /^(-?)([0-9]{1,12})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) {
    throw damaged(`a PAX header has ${quoted(text)} for mtime`);
  }
  const seconds = Number(match[2]);
  const nanoseconds = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: 0 - seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

/** What an attribute takes in memory, which is more than its bytes. */
export function xattrCost(bytes: number): number {
  return 200 + bytes;
}

/** The attributes a file is to have; undefined for none. */
export function paxXattrs(
  pax: PaxRecords,
): ReadonlyMap<string, Uint8Array> | undefined {
  let found: Map<string, Uint8Array> | undefined;
  let total = 0;
  for (const [key, value] of pax.values) {
    if (!key.startsWith(XATTR_PREFIX)) continue;
    const name = key.slice(XATTR_PREFIX.length);
    if (!KEPT_XATTRS.test(name)) continue;
    if (name.length > 255 || value.length > 65_535 || name.includes("\0")) {
      throw damaged("an extended attribute is longer than Linux allows");
    }
    total += xattrCost(name.length + value.length);
    if (total > XATTRS_BYTES_MAX) {
      throw damaged(
        `the extended attributes of one file take more than ${XATTRS_BYTES_MAX} bytes`,
      );
    }
    found ??= new Map();
    found.set(
      name,
      value === "" ? EMPTY : new Uint8Array(Buffer.from(value, "latin1")),
    );
  }
  return found;
}
