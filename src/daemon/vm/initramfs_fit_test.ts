import assert from "node:assert/strict";
import { leastMemoryMib } from "./initramfs_fit.ts";

async function leastFor(start: string, bytes: number) {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, start);
    await Deno.truncate(path, bytes);
    return await leastMemoryMib(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("leastMemoryMib() counts a plain archive three times", async () => {
  assert.equal(await leastFor("070701", 40 * 1024 * 1024), 136);
});

Deno.test("leastMemoryMib() says nothing of a small or compressed archive", async () => {
  assert.equal(await leastFor("070701", 1024), undefined);
  assert.equal(await leastFor("\x1f\x8b", 40 * 1024 * 1024), undefined);
});
