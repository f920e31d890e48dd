/**
 * What file system a disk image holds, read off its first bytes.
 *
 * A manifest may say no more than `raw` or `qcow2`; the guest has to be told what
 * to mount. Nothing is mounted or interpreted on the host beyond the magic
 * numbers, and a qcow2 that leads to other files of the host is refused.
 *
 * @module
 */

import type { RootFileSystem } from "../../guest/boot_config.ts";
import { Fault } from "../../lib/fault.ts";
import type { RootfsFormat } from "../../manifest/manifest.ts";
import { openQcow2, Qcow2Refusal, type ReadDisk } from "./qcow2.ts";

/** Where each file system says what it is (their kernel headers have it). */
const MAGICS: readonly {
  readonly fs: RootFileSystem;
  readonly offset: number;
  readonly bytes: readonly number[];
}[] = [
  { fs: "ext4", offset: 0x438, bytes: [0x53, 0xef] },
  { fs: "erofs", offset: 0x400, bytes: [0xe2, 0xe1, 0xf5, 0xe0] },
  { fs: "squashfs", offset: 0, bytes: [0x68, 0x73, 0x71, 0x73] },
  { fs: "xfs", offset: 0, bytes: [0x58, 0x46, 0x53, 0x42] },
  {
    fs: "btrfs",
    offset: 0x10040,
    bytes: [0x5f, 0x42, 0x48, 0x52, 0x66, 0x53, 0x5f, 0x4d],
  },
];

/** Throws `not-supported` for an image that cannot be a root file system. */
export async function rootFileSystem(
  path: string,
  format: RootfsFormat,
): Promise<RootFileSystem> {
  using file = await Deno.open(path);
  const raw: ReadDisk = (offset, length) => readAt(file, offset, length);
  try {
    const disk = format === "qcow2"
      ? await openQcow2(raw, (await file.stat()).size)
      : raw;
    return await heldFileSystem(path, format, disk);
  } catch (cause) {
    if (!(cause instanceof Qcow2Refusal)) throw cause;
    throw unusable(path, cause.message, { hint: cause.hint });
  }
}

async function heldFileSystem(
  path: string,
  format: RootfsFormat,
  disk: ReadDisk,
): Promise<RootFileSystem> {
  const isImage = format === "raw" || format === "qcow2";
  for (const { fs, offset, bytes } of MAGICS) {
    if (!await holds(disk, offset, bytes)) continue;
    if (isImage || format === fs) return fs;
    throw unusable(path, `it is ${fs}, not ${format}`, {
      hint: `Set rootfs.format to "${fs}"`,
    });
  }
  if (await holds(disk, 510, [0x55, 0xaa])) {
    throw unusable(path, "it has a partition table", {
      hint:
        "Copy the partition with the root file system into a file of its own",
    });
  }
  throw unusable(
    path,
    isImage
      ? "it holds no file system that can be a root"
      : `it is no ${format}`,
    { hint: "Use an image with ext4, xfs, btrfs, erofs or squashfs" },
  );
}

async function holds(
  disk: ReadDisk,
  offset: number,
  bytes: readonly number[],
): Promise<boolean> {
  const found = await disk(offset, bytes.length);
  return bytes.every((byte, index) => found[index] === byte);
}

/** Zeroes where the file is shorter. */
async function readAt(
  file: Deno.FsFile,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  for (let done = 0; done < length;) {
    const count = await file.read(bytes.subarray(done));
    if (count === null) break;
    done += count;
  }
  return bytes;
}

function unusable(
  path: string,
  reason: string,
  { hint }: { readonly hint: string },
): Fault {
  return new Fault(
    "not-supported",
    `Cannot use "${path}" as a root file system: ${reason}`,
    { hint },
  );
}
