/**
 * Writes a tree as a cpio archive of the `newc` form, which the kernel unpacks
 * as initramfs (Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 * The bytes depend on the tree and `mtime` alone: names sorted, inodes counted
 * from 1, links and devices fixed. It streams: memory holds one block of one
 * file.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import type { Entry, HostFile, RootTree } from "./tree.ts";

const BLOCK_BYTES = 256 * 1024;

/** GNU cpio ends an archive on such a boundary, and so do we. */
const ARCHIVE_ALIGNMENT = 512;

/** Sizes are eight hexadecimal digits. */
const FILE_BYTES_MAX = 0xffff_ffff;

/** The name that ends an archive; the kernel reads nothing after it. */
const LAST_NAME = "TRAILER!!!";

const TYPE_BITS = {
  "directory": 0o040000,
  "file": 0o100000,
  "symlink": 0o120000,
  "char-device": 0o020000,
} as const satisfies Record<Entry["kind"], number>;

export interface CpioOptions {
  /** Seconds since 1970; the same for every entry. */
  readonly mtime: number;
  readonly signal: AbortSignal;
}

/** The archive, chunk by chunk. A chunk is valid until the next is asked for. */
export async function* cpioArchive(
  tree: RootTree,
  options: CpioOptions,
): AsyncGenerator<Uint8Array> {
  let inode = 0;
  let written = 0;
  for (const [path, entry] of tree.sorted()) {
    options.signal.throwIfAborted();
    inode += 1;
    for await (const chunk of member(path, entry, inode, options)) {
      written += chunk.length;
      yield chunk;
    }
  }
  const trailer = header({ name: LAST_NAME, nlink: 1 });
  yield trailer;
  written += trailer.length;
  yield new Uint8Array(padding(written, ARCHIVE_ALIGNMENT));
}

/** How many bytes the archive will have. */
export function cpioSize(tree: RootTree): number {
  let size = header({ name: LAST_NAME }).length;
  for (const [path, entry] of tree.sorted()) {
    const bytes = sizeOf(entry);
    size += header({ name: path.slice(1) }).length + bytes +
      padding(bytes, 4);
  }
  return size + padding(size, ARCHIVE_ALIGNMENT);
}

async function* member(
  path: string,
  entry: Entry,
  inode: number,
  options: CpioOptions,
): AsyncGenerator<Uint8Array> {
  const name = path.slice(1);
  if (name === LAST_NAME) {
    throw new Fault(
      "build-failed",
      `Cannot put "${path}" into the artifact: this name ends an initramfs`,
      { hint: "Map it to another name" },
    );
  }
  const size = sizeOf(entry);
  if (size > FILE_BYTES_MAX) {
    throw new Fault(
      "build-failed",
      `Cannot put "${path}" into the artifact: an initramfs holds no file above 4 GiB`,
      { hint: "Put it on a disk of the VM" },
    );
  }
  yield header({
    name,
    inode,
    mode: TYPE_BITS[entry.kind] | entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    nlink: entry.kind === "directory" ? 2 : 1,
    mtime: options.mtime,
    size,
    ...(entry.kind === "char-device" &&
      { rmajor: entry.major, rminor: entry.minor }),
  });
  yield* contentOf(entry, options.signal);
  yield new Uint8Array(padding(size, 4));
}

function sizeOf(entry: Entry): number {
  if (entry.kind === "symlink") {
    return new TextEncoder().encode(entry.target).length;
  }
  if (entry.kind !== "file") return 0;
  return entry.content instanceof Uint8Array
    ? entry.content.length
    : entry.content.size;
}

async function* contentOf(
  entry: Entry,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (entry.kind === "symlink") yield new TextEncoder().encode(entry.target);
  if (entry.kind !== "file") return;
  if (entry.content instanceof Uint8Array) yield entry.content;
  else yield* hostFile(entry.content, signal);
}

/** The bytes of a file, which must be the one that was looked at before. */
async function* hostFile(
  content: HostFile,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  using file = await open(content.path);
  const info = await file.stat();
  if (
    info.dev !== content.dev || info.ino !== content.ino ||
    info.size !== content.size
  ) throw changed(content.path);
  const block = new Uint8Array(BLOCK_BYTES);
  let left = content.size;
  while (left > 0) {
    signal.throwIfAborted();
    const got = await file.read(block.subarray(0, Math.min(left, BLOCK_BYTES)));
    if (got === null) throw changed(content.path);
    left -= got;
    yield block.subarray(0, got);
  }
}

async function open(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    throw new Fault(
      "file-not-found",
      `Cannot read "${path}": ${
        cause instanceof Deno.errors.PermissionDenied
          ? "permission denied"
          : "it is gone"
      }`,
      { cause, hint: "Run the build again, as a user who may read it" },
    );
  }
}

function changed(path: string): Fault {
  return new Fault(
    "build-failed",
    `Cannot read "${path}": it changed while the artifact was built`,
    { hint: "Run the build again when nothing writes to it" },
  );
}

interface HeaderFields {
  readonly name: string;
  readonly inode?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly nlink?: number;
  readonly mtime?: number;
  readonly size?: number;
  readonly rmajor?: number;
  readonly rminor?: number;
}

/** Thirteen fields of eight digits after the magic, then the name, padded to 4. */
function header(fields: HeaderFields): Uint8Array {
  const name = new TextEncoder().encode(`${fields.name}\0`);
  const numbers = [
    fields.inode,
    fields.mode,
    fields.uid,
    fields.gid,
    fields.nlink,
    fields.mtime,
    fields.size,
    0, // device, major and minor
    0,
    fields.rmajor,
    fields.rminor,
    name.length,
    0, // checksum, which newc does not have
  ];
  const text = "070701" +
    numbers.map((value) => (value ?? 0).toString(16).padStart(8, "0")).join("");
  const used = text.length + name.length;
  const bytes = new Uint8Array(used + padding(used, 4));
  new TextEncoder().encodeInto(text, bytes);
  bytes.set(name, text.length);
  return bytes;
}

function padding(size: number, alignment: number): number {
  return (alignment - size % alignment) % alignment;
}
