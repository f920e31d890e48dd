import assert from "node:assert/strict";
import { encodeDirents, packNames } from "./directories.ts";

Deno.test("a small directory is one block, as long as its entries", () => {
  assert.deepEqual(packNames([".", "..", "a"]), [
    { first: 0, end: 3, bytes: 3 * 12 + 4 },
  ]);
});

Deno.test("blocks are filled to the last byte and not beyond", () => {
  // Sixteen entries of 256 bytes fill a block.
  const names = Array.from({ length: 32 }, () => "n".repeat(244));
  assert.deepEqual(packNames(names), [
    { first: 0, end: 16, bytes: 4096 },
    { first: 16, end: 32, bytes: 4096 },
  ]);
  const longer = names.with(15, "n".repeat(245));
  assert.deepEqual(packNames(longer)[0], { first: 0, end: 15, bytes: 3840 });
});

Deno.test("an entry has the number, the name's place and the type", () => {
  const bytes = encodeDirents([
    { name: ".", nid: 128, type: 2 },
    { name: "b\xff", nid: 2 ** 33, type: 1 },
  ]);
  assert.deepEqual([...bytes], [
    ...[128, 0, 0, 0, 0, 0, 0, 0, 24, 0, 2, 0],
    ...[0, 0, 0, 0, 2, 0, 0, 0, 25, 0, 1, 0],
    ...[0x2e, 0x62, 0xff],
  ]);
});
