import assert from "node:assert/strict";
import {
  compressed,
  type Compression,
  compressionOfName,
  COMPRESSIONS,
} from "./compress.ts";
import { collect, filter, once } from "./testing.ts";

const UNPACKERS: Readonly<Record<Compression, string>> = {
  none: "cat",
  gzip: "gzip",
  zstd: "zstd",
  lz4: "lz4",
};

/** Bytes that look random, the same in each run (xorshift). */
function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 2463534242;
  for (let index = 0; index < length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state;
  }
  return bytes;
}

/** Text, runs and noise, over the boundary of LZ4's blocks of 8 MiB. */
function sample(): Uint8Array {
  const bytes = new Uint8Array(9 * 1024 * 1024 + 7);
  const words = new TextEncoder().encode("the quick brown fox; ".repeat(5000));
  bytes.set(words, 100);
  bytes.set(noise(300_000), 200_000);
  bytes.set(noise(300_000), 8 * 1024 * 1024 - 150_000);
  return bytes;
}

for (const method of COMPRESSIONS) {
  Deno.test(`what ${method} packs, its program unpacks`, async () => {
    const inputs = [
      new Uint8Array(),
      new Uint8Array(1),
      new Uint8Array(12),
      new Uint8Array(13),
      noise(70_000),
      sample(),
    ];
    for (const input of inputs) {
      const packed = await collect(compressed(once(input), method));
      const args = method === "none" ? [] : ["-dc"];
      const back = await filter(UNPACKERS[method], args, packed);
      assert.equal(back.length, input.length);
      assert.ok(equal(back, input), method);
    }
  });

  Deno.test(`${method} gives the same bytes twice, however they arrive`, async () => {
    const input = sample();
    const inPieces = async function* () {
      for (let at = 0; at < input.length; at += 100_003) {
        yield await Promise.resolve(input.subarray(at, at + 100_003));
      }
    };
    const whole = await collect(compressed(once(input), method));
    const pieces = await collect(compressed(inPieces(), method));
    assert.ok(equal(whole, pieces));
    assert.ok(method === "none" || whole.length < input.length / 10);
  });

  Deno.test(`${method} hands on the failure of what it reads`, async () => {
    const failing = async function* () {
      yield await Promise.resolve(new Uint8Array(10));
      throw new Error("the source broke");
    };
    await assert.rejects(
      collect(compressed(failing(), method)),
      /the source broke/,
    );
  });
}

Deno.test("an output's name tells how it is compressed", () => {
  assert.equal(compressionOfName("plugin.cpio.gz"), "gzip");
  assert.equal(compressionOfName("a.cpio.zst"), "zstd");
  assert.equal(compressionOfName("a.lz4"), "lz4");
  assert.equal(compressionOfName("a.cpio"), undefined);
});

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
