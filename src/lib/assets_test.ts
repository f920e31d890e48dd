/**
 * Tests of unpacking, with an executable made up for them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { ASSET_NAMES, removeOtherAssets, unpackAssets } from "./assets.ts";
import { EXECUTABLE, type Executable, type PackedAsset } from "./self.ts";

const global = globalThis as { [EXECUTABLE]?: Executable };

/** Lets this process be an executable whose files hold their own names. */
function pretendPacked(spoil?: string): Disposable & { reads: () => number } {
  const packed: Uint8Array<ArrayBuffer>[] = [];
  const assets: Record<string, PackedAsset> = {};
  for (const name of Object.values(ASSET_NAMES)) {
    const bytes = new TextEncoder().encode(`I am ${name}\n`);
    const compressed = new Uint8Array(zstdCompressSync(bytes));
    assets[name] = {
      offset: packed.length,
      size: compressed.length,
      sha256: name === spoil
        ? "0".repeat(64)
        : createHash("sha256").update(bytes).digest("hex"),
      unpackedSize: bytes.length,
    };
    packed.push(compressed);
  }
  let reads = 0;
  global[EXECUTABLE] = {
    version: "0.0.0",
    assets,
    read(offset) {
      reads++;
      return packed[offset] ?? new Uint8Array();
    },
    load: () => undefined,
  };
  return {
    reads: () => reads,
    [Symbol.dispose]() {
      delete global[EXECUTABLE];
    },
  };
}

async function withTempDir(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("unpackAssets() unpacks each file once, executable, with nothing beside", async () => {
  using packed = pretendPacked();
  await withTempDir(async (dir) => {
    const first = await unpackAssets(`${dir}/state`);
    assert.equal(await Deno.readTextFile(first.shim), "I am shim\n");
    assert.equal((await Deno.stat(first.monitor)).mode ?? 0, 0o100755);
    assert.deepEqual(await unpackAssets(`${dir}/state`), first);
    assert.equal(packed.reads(), Object.keys(ASSET_NAMES).length);
    const folder = first.shim.slice(0, first.shim.lastIndexOf("/"));
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assert.deepEqual(names, Object.values(ASSET_NAMES).toSorted());
  });
});

Deno.test("unpackAssets() may be called by many at the same time", async () => {
  using _packed = pretendPacked();
  await withTempDir(async (dir) => {
    const all = await Promise.all(
      Array.from({ length: 8 }, () => unpackAssets(dir)),
    );
    for (const assets of all) assert.deepEqual(assets, all[0]);
    const [first] = all;
    assert.ok(first);
    assert.equal(await Deno.readTextFile(first.shim), "I am shim\n");
  });
});

Deno.test("unpackAssets() replaces a file that was damaged or lost its mode", async () => {
  using _packed = pretendPacked();
  await withTempDir(async (dir) => {
    const { shim, monitor } = await unpackAssets(dir);
    await Deno.writeTextFile(shim, "I am SHIM\n");
    await Deno.chmod(monitor, 0o644);
    await unpackAssets(dir);
    assert.equal(await Deno.readTextFile(shim), "I am shim\n");
    assert.equal((await Deno.stat(monitor)).mode ?? 0, 0o100755);
  });
});

Deno.test("unpackAssets() refuses bytes that are not the packed ones", async () => {
  using _packed = pretendPacked("monitor");
  await withTempDir(async (dir) => {
    await assert.rejects(unpackAssets(dir), { code: "checksum-mismatch" });
  });
});

Deno.test("unpackAssets() keeps files of another build apart", async () => {
  await withTempDir(async (dir) => {
    let first;
    {
      using _packed = pretendPacked();
      first = await unpackAssets(dir);
    }
    using _other = pretendPacked("monitor");
    await assert.rejects(unpackAssets(dir), { code: "checksum-mismatch" });
    assert.equal(await Deno.readTextFile(first.monitor), "I am monitor\n");
  });
});

Deno.test("removeOtherAssets() removes what other versions unpacked, and that only", async () => {
  using _packed = pretendPacked();
  await withTempDir(async (dir) => {
    const assets = await unpackAssets(dir);
    await Deno.mkdir(`${dir}/assets/older`);
    await Deno.writeTextFile(`${dir}/assets/older/monitor`, "old");
    await removeOtherAssets(dir, assets);
    assert.deepEqual(await unpackAssets(dir), assets);
    assert.equal([...Deno.readDirSync(`${dir}/assets`)].length, 1);
    // Those of a build that was not packed lie elsewhere.
    await removeOtherAssets(dir, { ...assets, monitor: "/elsewhere/monitor" });
    assert.equal([...Deno.readDirSync(`${dir}/assets`)].length, 1);
  });
});
