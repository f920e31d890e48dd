/**
 * Reads a few bytes out of a qcow2 image (docs/interop/qcow2.txt of QEMU).
 *
 * The image is somebody else's and the reader is root: no field is believed
 * before it was held against the size of the file, and no cluster is unpacked
 * beyond its size. What only newer or rarer images have is refused, and so is
 * what leads to other files of the host.
 *
 * @module
 */

import { inflateRawSync } from "node:zlib";

/** Reads `length` bytes; zeroes beyond the end. */
export type ReadDisk = (offset: number, length: number) => Promise<Uint8Array>;

/** Why an image is not read; for people. */
export class Qcow2Refusal extends Error {
  override readonly name = "Qcow2Refusal";
  readonly hint: string;

  constructor(reason: string, hint: string) {
    super(reason);
    this.hint = hint;
  }
}

const MAGIC = 0x514649fb;
const HEADER_BYTES = 104;
const CLUSTER_BITS_MIN = 9;
const CLUSTER_BITS_MAX = 21;
const SECTOR_BYTES = 512;
/** Incompatible features: "dirty" alone says nothing of the disk's data. */
const DIRTY = 1n << 0n;
const EXTERNAL_DATA = 1n << 2n;
const L2_COMPRESSED = 1n << 62n;
const L2_ZEROES = 1n;
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;

interface Image {
  readonly raw: ReadDisk;
  readonly fileSize: bigint;
  readonly diskSize: bigint;
  readonly clusterBits: number;
  readonly l1: bigint;
  readonly l1Entries: number;
}

/** The disk in an image of `fileSize` bytes. Throws `Qcow2Refusal`, now or later. */
export async function openQcow2(
  raw: ReadDisk,
  fileSize: number,
): Promise<ReadDisk> {
  const header = view(await raw(0, HEADER_BYTES));
  if (header.getUint32(0) !== MAGIC) {
    throw new Qcow2Refusal("it is no qcow2", "Correct rootfs.format");
  }
  checkFeatures(header);
  const image: Image = {
    raw,
    fileSize: BigInt(fileSize),
    diskSize: header.getBigUint64(24),
    clusterBits: header.getUint32(20),
    l1: header.getBigUint64(40),
    l1Entries: header.getUint32(36),
  };
  return (offset, length) => readDisk(image, offset, length);
}

function checkFeatures(header: DataView): void {
  const version = header.getUint32(4);
  if (version !== 2 && version !== 3) throw strange(`version ${version}`);
  const features = version === 3 ? header.getBigUint64(72) : 0n;
  if (header.getBigUint64(8) !== 0n || (features & EXTERNAL_DATA) !== 0n) {
    throw new Qcow2Refusal(
      "it refers to another file of the host",
      "Make it whole: qemu-img convert -O qcow2 IN OUT",
    );
  }
  if ((features & ~DIRTY) !== 0n) {
    throw strange(`incompatible features 0x${features.toString(16)}`);
  }
  if (header.getUint32(32) !== 0) throw strange("encryption");
  const bits = header.getUint32(20);
  if (bits < CLUSTER_BITS_MIN || bits > CLUSTER_BITS_MAX) {
    throw strange(`clusters of 2^${bits} bytes`);
  }
}

/** `length` bytes that lie in one cluster. */
async function readDisk(
  image: Image,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const size = 2 ** image.clusterBits;
  const within = offset % size;
  if (BigInt(offset + length) > image.diskSize) return new Uint8Array(length);
  const found = await clusterEntry(image, Math.floor(offset / size));
  if ((found & L2_COMPRESSED) !== 0n) {
    const cluster = await unpacked(image, found);
    return cluster.subarray(within, within + length);
  }
  const at = found & OFFSET_MASK;
  if (at === 0n || (found & L2_ZEROES) !== 0n) return new Uint8Array(length);
  return await image.raw(inside(image, at, size) + within, length);
}

/** What the tables say of a cluster; 0 where nothing was written. */
async function clusterEntry(image: Image, cluster: number): Promise<bigint> {
  const size = 2 ** image.clusterBits;
  const perTable = size / 8;
  const index = Math.floor(cluster / perTable);
  if (index >= image.l1Entries) throw damaged();
  const l1 = inside(image, image.l1, size);
  const l2 = (await entry(image, l1, index)) & OFFSET_MASK;
  return l2 === 0n
    ? 0n
    : await entry(image, inside(image, l2, size), cluster % perTable);
}

async function entry(
  { raw }: Image,
  table: number,
  index: number,
): Promise<bigint> {
  return view(await raw(table + index * 8, 8)).getBigUint64(0);
}

async function unpacked(image: Image, found: bigint): Promise<Uint8Array> {
  const size = 2 ** image.clusterBits;
  const bits = BigInt(62 - (image.clusterBits - 8));
  const at = inside(image, found & ((1n << bits) - 1n), 1);
  // What follows the sector it begins in is counted.
  const more = Number((found & (L2_COMPRESSED - 1n)) >> bits);
  const length = (more + 1) * SECTOR_BYTES - at % SECTOR_BYTES;
  if (length > 2 * size + SECTOR_BYTES) throw damaged();
  try {
    const packed = await image.raw(at, length);
    // Z_SYNC_FLUSH: what follows the stream in its last sector is no error.
    const cluster = inflateRawSync(packed, {
      finishFlush: 2,
      maxOutputLength: size,
    });
    if (cluster.length === size) return cluster;
  } catch {
    // Whatever zlib says of it, the image is not what it should be.
  }
  throw damaged();
}

/** An offset of the image, if the file has it and a multiple of `unit` it is. */
function inside(
  { fileSize }: Image,
  offset: bigint,
  unit: number,
): number {
  if (offset >= fileSize || offset % BigInt(unit) !== 0n) throw damaged();
  return Number(offset);
}

function damaged(): Qcow2Refusal {
  return new Qcow2Refusal(
    "it is a damaged qcow2: a table leads to nowhere",
    "Look at it with qemu-img check, or make it again",
  );
}

function strange(what: string): Qcow2Refusal {
  return new Qcow2Refusal(
    `it is a qcow2 with ${what}, which cannot be read`,
    "Convert it: qemu-img convert -O qcow2 IN OUT",
  );
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
