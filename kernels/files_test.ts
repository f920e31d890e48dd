/**
 * The half of the kernel build that moves files: what reaches a clone, what the
 * cache keeps, where the source is looked for.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { KernelCache } from "./cache.ts";
import { deliver } from "./deliver.ts";
import { findTarball, type Pin } from "./source.ts";

async function inFolder(test: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "volant-kernels-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a clone gets a copy, and nothing it does to it reaches the cache", async () => {
  await inFolder(async (folder) => {
    const [from, to] = [`${folder}/cached`, `${folder}/delivered`];
    await Deno.writeTextFile(from, "kernel");
    await Deno.chmod(from, 0o755);
    await Deno.utime(from, 1000, 1000);
    await Deno.writeTextFile(`${to}.new`, "of a build that was killed");
    assert.equal(await deliver(from, to), true);
    const [cached, delivered] = [await Deno.stat(from), await Deno.stat(to)];
    assert.notEqual(delivered.ino, cached.ino);
    assert.ok((delivered.mtime?.getTime() ?? 0) > 1_000_000);
    assert.equal((delivered.mode ?? 0) & 0o777, 0o755);
    await Deno.writeTextFile(to, "broken");
    assert.equal(await Deno.readTextFile(from), "kernel");
    assert.equal(await deliver(from, to), true);
    assert.equal(await Deno.readTextFile(to), "kernel");
  });
});

Deno.test("what is there already gets a new time, the cache keeps its own", async () => {
  await inFolder(async (folder) => {
    const [from, to] = [`${folder}/cached`, `${folder}/delivered`];
    await Deno.writeTextFile(from, "kernel");
    await deliver(from, to);
    await Deno.utime(from, 1000, 1000);
    await Deno.utime(to, 1000, 1000);
    const { ino } = await Deno.stat(to);
    assert.equal(await deliver(from, to), false);
    const after = await Deno.stat(to);
    assert.equal(after.ino, ino);
    assert.ok((after.mtime?.getTime() ?? 0) > 1_000_000);
    assert.equal((await Deno.stat(from)).mtime?.getTime(), 1_000_000);
  });
});

Deno.test("a file that is linked to the cache is replaced by a copy", async () => {
  await inFolder(async (folder) => {
    const [from, to] = [`${folder}/cached`, `${folder}/delivered`];
    await Deno.writeTextFile(from, "kernel");
    await Deno.utime(from, 1000, 1000);
    await Deno.link(from, to);
    assert.equal(await deliver(from, to), true);
    assert.notEqual((await Deno.stat(to)).ino, (await Deno.stat(from)).ino);
    assert.equal((await Deno.stat(from)).mtime?.getTime(), 1_000_000);
  });
});

Deno.test("the cache gives what was stored, and stores over what is broken", async () => {
  await inFolder(async (folder) => {
    using cache = await KernelCache.open(`${folder}/kernels`);
    assert.equal(await cache.find("generic", "k"), undefined);
    for (const text of ["one", "two"]) {
      const path = await cache.store("generic", "k", async (into) => {
        await Deno.mkdir(`${into}/below`);
        await Deno.writeTextFile(`${into}/below/file`, text);
      });
      assert.equal(await cache.find("generic", "k"), path);
      assert.equal(await Deno.readTextFile(`${path}/below/file`), text);
    }
  });
});

function pinOf(text: string): Pin {
  return {
    upstream: "6.1.1",
    package: "volant-no-such-source",
    packageVersion: "6.1.1-1",
    tarball: "linux-source.tar.xz",
    sha256: createHash("sha256").update(text).digest("hex"),
  };
}

Deno.test("the source is still found when the installed package has moved on", async () => {
  await inFolder(async (folder) => {
    const pin = pinOf("the source");
    const installed = `${folder}/src`;
    await Deno.mkdir(installed);
    await Deno.writeTextFile(`${installed}/${pin.tarball}`, "the source");
    using cache = await KernelCache.open(`${folder}/kernels`);
    const places = { cache, named: undefined, installed };
    const first = await findTarball(pin, places);
    assert.ok(first.startsWith(`${folder}/kernels/source-`), first);
    await Deno.writeTextFile(`${installed}/${pin.tarball}`, "a newer source");
    assert.equal(await findTarball(pin, places), first);
    assert.equal(await Deno.readTextFile(first), "the source");
  });
});

Deno.test("a kept source that is broken is not used, and kept anew", async () => {
  await inFolder(async (folder) => {
    const pin = pinOf("the source");
    await Deno.writeTextFile(`${folder}/${pin.tarball}`, "the source");
    using cache = await KernelCache.open(`${folder}/kernels`);
    const places = { cache, named: undefined, installed: folder };
    const kept = await findTarball(pin, places);
    await Deno.writeTextFile(kept, "half");
    assert.equal(await findTarball(pin, places), kept);
    assert.equal(await Deno.readTextFile(kept), "the source");
  });
});

Deno.test("a source that is named is kept as well", async () => {
  await inFolder(async (folder) => {
    const pin = pinOf("the source");
    const named = `${folder}/mine`;
    await Deno.writeTextFile(named, "the source");
    using cache = await KernelCache.open(`${folder}/kernels`);
    const installed = `${folder}/src`;
    await findTarball(pin, { cache, named, installed });
    await Deno.remove(named);
    const found = await findTarball(pin, { cache, named: "", installed });
    assert.equal(await Deno.readTextFile(found), "the source");
  });
});

Deno.test("a source that is nowhere is named with its version, and the remedy", async () => {
  await inFolder(async (folder) => {
    const pin = pinOf("the source");
    await Deno.writeTextFile(`${folder}/${pin.tarball}`, "another");
    using cache = await KernelCache.open(`${folder}/kernels`);
    await assert.rejects(
      findTarball(pin, { cache, named: undefined, installed: folder }),
      {
        message: new RegExp(
          `"linux-source.tar.xz" of volant-no-such-source 6.1.1-1: .*${folder} has another version`,
        ),
        hint: /KERNEL_TARBALL/,
      },
    );
  });
});
