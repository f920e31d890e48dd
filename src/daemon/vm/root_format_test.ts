import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import type { RootfsFormat } from "../../manifest/manifest.ts";
import { rootFileSystem } from "./root_format.ts";

const CLUSTER = 65_536;
const CLUSTER_BITS = 16;
/** Where the parts of a hand-made qcow2 lie. */
const AT = { l1: CLUSTER, l2: 2 * CLUSTER, data: 3 * CLUSTER } as const;
const EXT4_MAGIC = [0x53, 0xef];
const EXT4_OFFSET = 0x438;

/** A disk of one cluster with what says "ext4". */
function ext4(): Uint8Array {
  const disk = new Uint8Array(CLUSTER);
  disk.set(EXT4_MAGIC, EXT4_OFFSET);
  return disk;
}

type Spoil = (image: DataView) => void;

/** A qcow2 that holds `ext4()`, changed by `spoil`. */
function qcow2(spoil: Spoil = () => {}): Uint8Array {
  return made(ext4(), BigInt(AT.data), spoil);
}

/** The same with its one cluster compressed to `packed`, somewhere in a sector. */
function compressed(packed: Uint8Array, spoil: Spoil = () => {}): Uint8Array {
  const at = AT.data + 100;
  const sectors = Math.ceil((packed.length + 100) / 512) - 1;
  const bits = BigInt(62 - (CLUSTER_BITS - 8));
  const entry = 1n << 62n | BigInt(sectors) << bits | BigInt(at);
  const data = new Uint8Array(packed.length + 200).fill(0xee);
  data.set(packed, 100);
  return made(data, entry, spoil);
}

function made(data: Uint8Array, entry: bigint, spoil: Spoil): Uint8Array {
  const bytes = new Uint8Array(AT.data + data.length);
  bytes.set(data, AT.data);
  const image = new DataView(bytes.buffer);
  image.setUint32(0, 0x514649fb);
  image.setUint32(4, 3);
  image.setUint32(20, CLUSTER_BITS);
  image.setBigUint64(24, BigInt(64 * CLUSTER));
  image.setUint32(36, 1);
  image.setBigUint64(40, BigInt(AT.l1));
  image.setUint32(100, 104);
  image.setBigUint64(AT.l1, 1n << 63n | BigInt(AT.l2));
  image.setBigUint64(AT.l2, entry);
  spoil(image);
  return bytes;
}

async function read(
  bytes: Uint8Array,
  format: RootfsFormat = "qcow2",
): Promise<string> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, bytes);
    return await rootFileSystem(path, format);
  } finally {
    await Deno.remove(path);
  }
}

async function refused(
  bytes: Uint8Array,
  message: RegExp,
  format?: RootfsFormat,
): Promise<void> {
  await assert.rejects(read(bytes, format), (error: Error) => {
    const { code, hint } = error as Error & { code?: string; hint?: string };
    assert.equal(code, "not-supported", String(error));
    assert.match(error.message, message);
    assert.ok(hint);
    return true;
  });
}

Deno.test("rootFileSystem() reads a disk, raw or by its own format", async () => {
  assert.equal(await read(ext4(), "raw"), "ext4");
  assert.equal(await read(ext4(), "ext4"), "ext4");
  await refused(ext4(), /it is ext4, not erofs/, "erofs");
  await refused(new Uint8Array(100), /holds no file system/, "raw");
});

Deno.test("rootFileSystem() takes both bytes of its mark for a partition table", async () => {
  const disk = new Uint8Array(4096);
  disk.set([0x55, 0xaa], 510);
  await refused(disk, /it has a partition table/, "raw");
  disk[511] = 0;
  await refused(disk, /it holds no file system/, "raw");
});

Deno.test("rootFileSystem() reads a qcow2, compressed or not", async () => {
  assert.equal(await read(qcow2()), "ext4");
  assert.equal(await read(qcow2((image) => image.setUint32(4, 2))), "ext4");
  const dirty: Spoil = (image) => image.setBigUint64(72, 1n);
  assert.equal(await read(qcow2(dirty)), "ext4");
  assert.equal(await read(compressed(deflateRawSync(ext4()))), "ext4");
});

Deno.test("rootFileSystem() reads nothing where a qcow2 has nothing", async () => {
  const nothing: readonly Spoil[] = [
    (image) => image.setBigUint64(AT.l1, 0n),
    (image) => image.setBigUint64(AT.l2, 0n),
    (image) => image.setBigUint64(AT.l2, BigInt(AT.data) | 1n),
    (image) => image.setBigUint64(24, 0n),
  ];
  for (const spoil of nothing) await refused(qcow2(spoil), /no file system/);
});

Deno.test("rootFileSystem() refuses a qcow2 it cannot read, with the reason", async () => {
  const feature = (bit: bigint): Spoil => (image) =>
    image.setBigUint64(72, 1n << bit);
  const refusals: readonly (readonly [Spoil, RegExp])[] = [
    [(image) => image.setUint32(0, 0), /it is no qcow2/],
    [(image) => image.setUint32(4, 1), /version 1/],
    [(image) => image.setUint32(4, 4), /version 4/],
    [(image) => image.setBigUint64(8, 104n), /another file of the host/],
    [feature(2n), /another file of the host/],
    [feature(1n), /incompatible features 0x2/],
    [feature(3n), /incompatible features 0x8/],
    [feature(4n), /incompatible features 0x10/],
    [feature(63n), /incompatible features/],
    [(image) => image.setUint32(32, 2), /encryption/],
    [(image) => image.setUint32(20, 8), /clusters of 2\^8 bytes/],
    [(image) => image.setUint32(20, 4_000_000_000), /clusters of/],
  ];
  for (const [spoil, reason] of refusals) await refused(qcow2(spoil), reason);
});

Deno.test("rootFileSystem() refuses a qcow2 whose tables lead to nowhere", async () => {
  const nowhere = BigInt(1000 * CLUSTER);
  const spoils: readonly Spoil[] = [
    (image) => image.setUint32(36, 0),
    (image) => image.setBigUint64(40, 0xffff_ffff_ffff_ffffn),
    (image) => image.setBigUint64(40, nowhere),
    (image) => image.setBigUint64(40, BigInt(AT.l1 + 7)),
    (image) => image.setBigUint64(AT.l1, nowhere),
    (image) => image.setBigUint64(AT.l1, 0x00ff_ffff_ffff_0000n),
    (image) => image.setBigUint64(AT.l2, nowhere),
    (image) => image.setBigUint64(AT.l2, BigInt(AT.data + 512)),
    (image) => image.setBigUint64(AT.l2, 1n << 62n | nowhere),
    (image) => image.setBigUint64(AT.l2, 0x7fff_ffff_ffff_ffffn),
  ];
  for (const spoil of spoils) await refused(qcow2(spoil), /damaged qcow2/);
  await refused(qcow2().subarray(0, 104), /damaged qcow2/);
  await refused(qcow2().subarray(0, 20), /clusters of 2\^0 bytes/);
});

Deno.test("rootFileSystem() unpacks no more than a cluster", async () => {
  const bomb = deflateRawSync(new Uint8Array(64 * 1024 * 1024));
  assert.ok(bomb.length < 2 * CLUSTER);
  const before = Deno.memoryUsage().rss;
  await refused(compressed(bomb), /damaged qcow2/);
  assert.ok(Deno.memoryUsage().rss - before < 48 * 1024 * 1024);
  const short = deflateRawSync(ext4().subarray(0, CLUSTER - 1));
  await refused(compressed(short), /damaged qcow2/);
  await refused(compressed(new Uint8Array(600).fill(0xff)), /damaged qcow2/);
});
