import assert from "node:assert/strict";
import { TailStore } from "./tail_store.ts";

Deno.test("tails come back from memory and from the file, which has no name", async () => {
  const folder = await Deno.makeTempDir();
  try {
    using store = new TailStore(`${folder}/image.tails`, 2);
    const tails = Array.from(
      { length: 2000 },
      (_, index) => new Uint8Array(2500 + index % 1500).fill(index),
    );
    const positions = tails.map((tail) => store.append(tail));
    for (const [index, tail] of tails.entries()) {
      assert.deepEqual(store.read(positions[index] ?? -1, tail.length), tail);
    }
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
