/**
 * What file system a disk image holds, read off its first bytes.
 *
 * A manifest may say no more than `raw` or `qcow2`; the guest has to be told what
 * to mount. Nothing is mounted or interpreted on the host beyond the magic
 * numbers, and a qcow2 that leads to other files of the host is refused.
 *
 * @module
 */

import { inflateRawSync } from "node:zlib";
import type { RootFileSystem } from "../../guest/boot_config.ts";
import { Fault } from "../../lib/fault.ts";
import type { RootfsFormat } from "../../manifest/manifest.ts";

/** Reads `length` bytes of the disk as the guest would see them. */
type ReadDisk = (offset: number, length: number) => Promise<Uint8Array>;

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
  const disk = format === "qcow2" ? await openQcow2(path, raw) : raw;
  for (const { fs, offset, bytes } of MAGICS) {
    const found = await disk(offset, bytes.length);
    if (!bytes.every((byte, index) => found[index] === byte)) continue;
    if (format === "raw" || format === "qcow2" || format === fs) return fs;
    throw unusable(path, `it is ${fs}, not ${format}`, {
      hint: `Set rootfs.format to "${fs}"`,
    });
  }
  const isPartitioned = (await disk(510, 2))[0] === 0x55;
  throw unusable(
    path,
    isPartitioned
      ? "it has a partition table"
      : format === "raw" || format === "qcow2"
      ? "it holds no file system that can be a root"
      : `it is no ${format}`,
    {
      hint: isPartitioned
        ? "Copy the partition with the root file system into a file of its own"
        : "Use an image with ext4, xfs, btrfs, erofs or squashfs",
    },
  );
}

const CLUSTER_BITS_MIN = 9;
const CLUSTER_BITS_MAX = 21;
const INCOMPATIBLE_EXTERNAL_DATA = 1n << 2n;
const L2_COMPRESSED = 1n << 62n;
const L2_ZEROES = 1n;
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;

/** A reader of qcow2 (docs/interop/qcow2.txt of QEMU), for a few small reads. */
async function openQcow2(path: string, raw: ReadDisk): Promise<ReadDisk> {
  const header = view(await raw(0, 104));
  if (header.getUint32(0) !== 0x514649fb) {
    throw unusable(path, "it is no qcow2", {
      hint: "Correct rootfs.format",
    });
  }
  const version = header.getUint32(4);
  const features = version >= 3 ? header.getBigUint64(72) : 0n;
  const isEncrypted = header.getUint32(32) !== 0;
  const clusterBits = header.getUint32(20);
  if (
    header.getBigUint64(8) !== 0n ||
    (features & INCOMPATIBLE_EXTERNAL_DATA) !== 0n
  ) {
    throw unusable(path, "it refers to another file of the host", {
      hint: "Make it whole: qemu-img convert -O qcow2 IN OUT",
    });
  }
  if (
    isEncrypted || clusterBits < CLUSTER_BITS_MIN ||
    clusterBits > CLUSTER_BITS_MAX
  ) {
    throw unusable(path, "it is of a kind of qcow2 that cannot be read", {
      hint: "Convert it: qemu-img convert -O qcow2 IN OUT",
    });
  }
  const table = { clusterBits, l1: header.getBigUint64(40) };
  return (offset, length) => readQcow2(raw, table, offset, length);
}

async function readQcow2(
  raw: ReadDisk,
  { clusterBits, l1 }: { readonly clusterBits: number; readonly l1: bigint },
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const size = 2 ** clusterBits;
  const cluster = Math.floor(offset / size);
  const within = offset % size;
  const perTable = size / 8;
  const entry = async (table: bigint, index: number) =>
    view(await raw(Number(table) + index * 8, 8)).getBigUint64(0);
  const l2 = (await entry(l1, Math.floor(cluster / perTable))) & OFFSET_MASK;
  if (l2 === 0n) return new Uint8Array(length);
  const found = await entry(l2, cluster % perTable);
  if ((found & L2_COMPRESSED) !== 0n) {
    const bits = BigInt(62 - (clusterBits - 8));
    const at = found & ((1n << bits) - 1n);
    // Counted in sectors of 512 from the one it begins in; a guess that is too
    // long does no harm to inflate.
    const packed = await raw(Number(at), 2 * size);
    const whole = inflateRawSync(packed, { finishFlush: 2 });
    return whole.subarray(within, within + length);
  }
  const at = found & OFFSET_MASK;
  if (at === 0n || (found & L2_ZEROES) !== 0n) return new Uint8Array(length);
  return await raw(Number(at) + within, length);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
