/**
 * Tests of the payload's layout.
 *
 * @module
 */

import assert from "node:assert/strict";
import { zstdDecompressSync } from "node:zlib";
import { assemblePayload } from "./payload.ts";

const PARTS = new Map([["cli", "first"], ["daemon", "sécond"]]);
const FILES = new Map([["kernel", new Uint8Array(70_000).fill(7)]]);

Deno.test("assemblePayload() says where each part lies", () => {
  const { bytes, chunks } = assemblePayload(PARTS, FILES);
  for (const [name, code] of PARTS) {
    const range = chunks[name];
    assert.ok(range);
    const part = bytes.subarray(range.offset, range.offset + range.size);
    assert.equal(new TextDecoder().decode(part), code);
  }
});

Deno.test("assemblePayload() compresses files and notes their digest", () => {
  const { bytes, assets } = assemblePayload(PARTS, FILES);
  const asset = assets.kernel;
  assert.ok(asset);
  assert.equal(asset.unpackedSize, 70_000);
  assert.ok(asset.size < 1000);
  assert.equal(
    asset.sha256,
    "4f772cad45a568461aeb93ed8e3451422e5ba92d94c01a3355cb02e75c4b387e",
  );
  const packed = bytes.subarray(asset.offset, asset.offset + asset.size);
  assert.deepEqual(
    new Uint8Array(zstdDecompressSync(packed)),
    FILES.get("kernel"),
  );
});

Deno.test("assemblePayload() gives the same bytes twice", () => {
  assert.deepEqual(
    assemblePayload(PARTS, FILES).bytes,
    assemblePayload(PARTS, FILES).bytes,
  );
});
