import assert from "node:assert/strict";
import { run } from "./exec.ts";
import { findMke2fs, MKE2FS_ENV, mke2fsArgs } from "./mke2fs.ts";

Deno.test("mke2fsArgs() asks no version for what it does not know", () => {
  const options = (version: string | undefined) =>
    mke2fsArgs(version, "/disk", 256).find((word) =>
      word.includes("nodiscard")
    );
  for (const version of ["1.47.0", "1.47", "1.48.1", "2.0"]) {
    assert.match(options(version) ?? "", /^assume_storage_prezeroed=1,/);
  }
  for (const version of [undefined, "1.46.6", "1.46-WIP", "0.50"]) {
    assert.match(options(version) ?? "", /^lazy_itable_init=1,/);
  }
});

Deno.test("mke2fs makes what it is asked for, whatever its version", async () => {
  const mke2fs = await findMke2fs();
  assert.match(mke2fs?.version ?? "", /^\d/);
  const path = await Deno.makeTempFile();
  try {
    for (const version of [mke2fs?.version, "1.46.2"]) {
      for (const sizeMib of [16, 512]) {
        await Deno.truncate(path, 0);
        await Deno.truncate(path, sizeMib * 1024 * 1024);
        const args = mke2fsArgs(version, path, sizeMib);
        await run(mke2fs?.path ?? "", args, { env: MKE2FS_ENV });
        const words = (await run("dumpe2fs", ["-h", path])).split("\n");
        const line = (name: string) =>
          words.find((each) => each.startsWith(name))?.replace(/^.*?:\s+/, "");
        assert.match(line("Filesystem features") ?? "", /has_journal.*extent/);
        assert.doesNotMatch(
          line("Filesystem features") ?? "",
          /resize_inode|orphan_file|csum_seed/,
        );
        assert.equal(line("Block size"), "4096");
        assert.equal(line("Inode size"), "256");
        const { blocks } = await Deno.stat(path);
        assert.ok((blocks ?? 0) * 512 < 1024 * 1024, "it is sparse");
      }
    }
  } finally {
    await Deno.remove(path);
  }
});
