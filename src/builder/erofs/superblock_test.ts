import assert from "node:assert/strict";
import { crc32c, encodeSuperblock } from "./superblock.ts";

const FIELDS = {
  rootNid: 128,
  inodes: 3,
  blocks: 5,
  metadataBlock: 2,
  mtime: 1_700_000_000,
  uuid: new Uint8Array(16).fill(9),
  hasChunkedFiles: false,
};

Deno.test("the checksum is Castagnoli's, without the last inversion", () => {
  const sum = crc32c(new TextEncoder().encode("123456789"));
  assert.equal(~sum >>> 0, 0xe306_9283);
});

Deno.test("the superblock's checksum covers the rest of its block", () => {
  const block = encodeSuperblock(FIELDS);
  const view = new DataView(block.buffer);
  const sum = view.getUint32(1028, true);
  view.setUint32(1028, 0, true);
  assert.equal(sum, crc32c(block.subarray(1024)));
});

Deno.test("a feature is named only if an image needs it", () => {
  const incompat = (hasChunkedFiles: boolean) =>
    new DataView(encodeSuperblock({ ...FIELDS, hasChunkedFiles }).buffer)
      .getUint32(1024 + 80, true);
  assert.equal(incompat(false), 0);
  assert.equal(incompat(true), 4);
});
