import assert from "node:assert/strict";
import { readBlocks } from "./monitor_protocol.ts";

function reader(parts: readonly string[]) {
  const left = parts.map((part) => new TextEncoder().encode(part));
  return {
    read(into: Uint8Array): Promise<number | null> {
      const next = left.shift();
      if (next === undefined) return Promise.resolve(null);
      into.set(next);
      return Promise.resolve(next.length);
    },
  };
}

Deno.test("readBlocks() joins what arrives in pieces and parts what arrives together", async () => {
  const blocks = [];
  const parts = ["a=1\n", "b=2\n", "\nc=", "3\n\nd=4\n\n", "half"];
  for await (const block of readBlocks(reader(parts))) blocks.push(block);
  assert.deepEqual(blocks, ["a=1\nb=2\n", "c=3\n", "d=4\n"]);
});

Deno.test("readBlocks() gives up on a block without an end", async () => {
  const flood = Array.from({ length: 8 }, () => "x".repeat(4096));
  await assert.rejects(async () => {
    for await (const _ of readBlocks(reader(flood)));
  }, /without an end/);
});
