import assert from "node:assert/strict";
import { MetadataSpace } from "./metadata_space.ts";

Deno.test("places follow each other, and a gap is filled by what fits it", () => {
  const space = new MetadataSpace();
  assert.equal(space.place(64, 4000), 0);
  assert.equal(space.place(64, 0), 4096);
  assert.equal(space.place(32, 0), 4064);
  assert.equal(space.place(32, 0), 4160);
  assert.equal(space.blocks, 2);
});

Deno.test("no tail crosses a block, and nothing lies on anything else", () => {
  const space = new MetadataSpace();
  const taken = new Set<number>();
  let random = 1;
  const next = (below: number) => {
    random = Math.imul(random, 1_103_515_245) + 12_345 >>> 0;
    return (random >>> 8) % below;
  };
  for (let round = 0; round < 5000; round++) {
    const extra = next(10) === 0 ? 4 * next(3000) : 4 * next(20);
    const head = 32 * (1 + next(2)) + extra;
    const tail = next(4033);
    const at = space.place(head, tail);
    assert.equal(at % 32, 0);
    assert.ok(at % 4096 + 64 <= 4096 || head < 64, "an inode crosses a block");
    assert.ok((at + head) % 4096 + tail <= 4096, "a tail crosses a block");
    assert.ok(at + head + tail <= space.blocks * 4096);
    for (let slot = at; slot < at + head + tail; slot += 32) {
      assert.ok(!taken.has(slot));
      taken.add(slot);
    }
  }
});

Deno.test("a list of chunks may be longer than a block, and what is left is used", () => {
  const space = new MetadataSpace();
  assert.equal(space.place(64 + 8192, 0), 0);
  assert.equal(space.blocks, 3);
  assert.equal(space.place(64, 100), 8192 + 64);
});
