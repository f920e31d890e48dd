/**
 * Inodes as they lie on disk: 32 bytes where that is enough, 64 otherwise. The
 * short form has no time of its own, it takes that of the superblock.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { shown } from "./binary_strings.ts";
import {
  COMPACT_INODE_BYTES,
  EXTENDED_INODE_BYTES,
  type Layout,
} from "./format.ts";
import type { DeviceNode, Metadata } from "./tree.ts";
import { xattrCount } from "./xattrs.ts";

const MODE_MAX = 0o7777;
const ID_MAX = 0xffff_ffff;
const NANOSECONDS_MAX = 999_999_999;

/** The widest numbers that fit the 32 bits of the kernel's encoding. */
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xf_ffff;

export interface InodeFields {
  readonly metadata: Metadata;
  /** `st_mode`: the type and the permissions. */
  readonly mode: number;
  /** Counted from 1; what `stat` tells programs of 32 bits. */
  readonly number: number;
  readonly links: number;
  readonly size: number;
  readonly layout: Layout;
  /** First block, device number or chunk format, as the layout has it. */
  readonly value: number;
  readonly xattrBytes: number;
}

/** Whether the long form is needed; `buildTime` is the superblock's. */
export function isExtended(
  { metadata, links, size }: Pick<InodeFields, "metadata" | "links" | "size">,
  buildTime: number,
): boolean {
  return metadata.mtime !== buildTime || (metadata.mtimeNs ?? 0) !== 0 ||
    metadata.uid > 0xffff || metadata.gid > 0xffff ||
    links > 0xffff || size > 0xffff_ffff;
}

export function encodeInode(
  fields: InodeFields,
  extended: boolean,
): Uint8Array {
  const { metadata } = fields;
  const bytes = new Uint8Array(
    extended ? EXTENDED_INODE_BYTES : COMPACT_INODE_BYTES,
  );
  const view = new DataView(bytes.buffer);
  view.setUint16(0, fields.layout << 1 | (extended ? 1 : 0), true);
  view.setUint16(2, xattrCount(fields.xattrBytes), true);
  view.setUint16(4, fields.mode, true);
  view.setUint32(16, fields.value, true);
  view.setUint32(20, fields.number, true);
  if (extended) {
    view.setBigUint64(8, BigInt(fields.size), true);
    view.setUint32(24, metadata.uid, true);
    view.setUint32(28, metadata.gid, true);
    view.setBigInt64(32, BigInt(metadata.mtime), true);
    view.setUint32(40, metadata.mtimeNs ?? 0, true);
    view.setUint32(44, fields.links, true);
  } else {
    view.setUint16(6, fields.links, true);
    view.setUint32(8, fields.size, true);
    view.setUint16(24, metadata.uid, true);
    view.setUint16(26, metadata.gid, true);
  }
  return bytes;
}

/** A device's number as the kernel's `new_encode_dev` packs it. */
export function encodeDevice(
  { major, minor }: DeviceNode,
  path: string,
): number {
  check(path, "device's major number", major, MAJOR_MAX);
  check(path, "device's minor number", minor, MINOR_MAX);
  return ((minor & 0xff) | major << 8 | (minor & ~0xff) << 12) >>> 0;
}

/** Throws if a number of `metadata` is not one an inode can hold. */
export function checkMetadata(metadata: Metadata, path: string): void {
  check(path, "mode", metadata.mode, MODE_MAX);
  check(path, "user id", metadata.uid, ID_MAX);
  check(path, "group id", metadata.gid, ID_MAX);
  check(path, "nanoseconds", metadata.mtimeNs ?? 0, NANOSECONDS_MAX);
  if (!Number.isSafeInteger(metadata.mtime)) {
    throw invalid(path, "time", metadata.mtime);
  }
}

function check(path: string, what: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return;
  throw invalid(path, what, value);
}

function invalid(path: string, what: string, value: number): Fault {
  return new Fault(
    "invalid-image",
    `Cannot write "${
      shown(path)
    }": its ${what} is ${value}, which an inode cannot hold`,
  );
}
