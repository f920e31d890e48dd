/**
 * Extended attributes as they lie behind an inode: a header of 12 bytes, then
 * the entries, each on a boundary of 4. Their names' prefixes are numbers.
 *
 * No attribute is shared between inodes: images have few, capabilities mostly.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { checkBinary, putBytes, shown } from "./binary_strings.ts";
import { alignUp } from "./format.ts";

const HEADER_BYTES = 12;
const ENTRY_BYTES = 4;

/** An inode counts its attributes' bytes in words of 4, the header as one. */
const BYTES_MAX = HEADER_BYTES + (0xffff - 1) * 4;

/** The kernel's limit for a name with its prefix (XATTR_NAME_MAX). */
const NAME_BYTES_MAX = 255;
const VALUE_BYTES_MAX = 0xffff;

/** Prefixes a name goes on after, and names that are complete. */
const PREFIXES = [["user.", 1], ["trusted.", 4], ["security.", 6]] as const;
const WHOLE_NAMES: ReadonlyMap<string, number> = new Map([
  ["system.posix_acl_access", 2],
  ["system.posix_acl_default", 3],
]);

interface Entry {
  readonly index: number;
  readonly name: string;
  readonly value: Uint8Array;
}

/** Empty if there are none. `path` is named in the faults. */
export function encodeXattrs(
  xattrs: ReadonlyMap<string, Uint8Array> | undefined,
  path: string,
): Uint8Array {
  if (xattrs === undefined || xattrs.size === 0) return new Uint8Array(0);
  const entries = [...xattrs.keys()].toSorted().map((name) =>
    entryOf(name, xattrs.get(name) ?? new Uint8Array(0), path)
  );
  const size = entries.reduce(
    (sum, entry) => sum + entrySize(entry),
    HEADER_BYTES,
  );
  if (size > BYTES_MAX) {
    throw invalid(path, `together they have more than ${BYTES_MAX} bytes`);
  }
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = HEADER_BYTES;
  for (const entry of entries) {
    view.setUint8(at, entry.name.length);
    view.setUint8(at + 1, entry.index);
    view.setUint16(at + 2, entry.value.length, true);
    putBytes(entry.name, bytes, at + ENTRY_BYTES);
    bytes.set(entry.value, at + ENTRY_BYTES + entry.name.length);
    at += entrySize(entry);
  }
  return bytes;
}

/** What an inode says of attributes of so many bytes (`i_xattr_icount`). */
export function xattrCount(bytes: number): number {
  return bytes === 0 ? 0 : (bytes - HEADER_BYTES) / 4 + 1;
}

function entryOf(whole: string, value: Uint8Array, path: string): Entry {
  checkBinary(whole, "attribute");
  if (whole.length > NAME_BYTES_MAX) {
    throw invalid(path, `a name is longer than ${NAME_BYTES_MAX} bytes`);
  }
  if (value.length > VALUE_BYTES_MAX) {
    throw invalid(
      path,
      `the value of "${shown(whole)}" is longer than ${VALUE_BYTES_MAX} bytes`,
    );
  }
  const index = WHOLE_NAMES.get(whole);
  if (index !== undefined) return { index, name: "", value };
  for (const [prefix, index] of PREFIXES) {
    if (whole.startsWith(prefix) && whole.length > prefix.length) {
      return { index, name: whole.slice(prefix.length), value };
    }
  }
  throw invalid(path, `EROFS has no place for the name "${shown(whole)}"`);
}

function entrySize(entry: Entry): number {
  return alignUp(ENTRY_BYTES + entry.name.length + entry.value.length, 4);
}

function invalid(path: string, reason: string): Fault {
  return new Fault(
    "invalid-image",
    `Cannot write attributes of "${shown(path)}": ${reason}`,
  );
}
