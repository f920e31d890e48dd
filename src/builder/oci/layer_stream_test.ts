import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { tar } from "../../../tests/harness/tar.ts";
import { collect, once } from "../testing.ts";
import { layerTar } from "./layer_stream.ts";
import { Budget, LIMITS } from "./limits.ts";
import { applied, layerOf, linesOf } from "./testing.ts";

const plain = tar([
  { name: "a", content: "x".repeat(300_000) },
  { name: "b", content: "end" },
]);

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function unpack(stored: Uint8Array, diffId = sha256(plain)) {
  return await collect(
    layerTar(once(stored), diffId, new Budget(LIMITS)),
  );
}

/** A frame that carries a note and no content. */
function skippable(note: string): Uint8Array {
  const bytes = Buffer.alloc(8 + note.length);
  bytes.writeUInt32LE(0x184d2a53, 0);
  bytes.writeUInt32LE(note.length, 4);
  bytes.write(note, 8);
  return bytes;
}

Deno.test("a layer is unpacked by what its first bytes say", async () => {
  const half = plain.length / 2;
  const [first, second] = [plain.subarray(0, half), plain.subarray(half)];
  const forms: Record<string, Uint8Array> = {
    plain,
    gzip: gzipSync(plain),
    "gzip of two members": Buffer.concat([gzipSync(first), gzipSync(second)]),
    "gzip with zeros behind": Buffer.concat([
      gzipSync(plain),
      new Uint8Array(512),
    ]),
    zstd: zstdCompressSync(plain),
    "zstd of several frames": Buffer.concat([
      skippable("note"),
      zstdCompressSync(first),
      zstdCompressSync(new Uint8Array(0)),
      skippable(""),
      zstdCompressSync(second),
    ]),
  };
  for (const [name, stored] of Object.entries(forms)) {
    assert.deepEqual(
      Buffer.from(await unpack(stored)),
      Buffer.from(plain),
      name,
    );
  }
});

Deno.test("a layer whose bytes are not those of its diff_id is refused", async () => {
  await assert.rejects(unpack(plain, sha256(gzipSync(plain))), {
    code: "checksum-mismatch",
    message: /unpacked bytes the digest sha256:/,
  });
});

Deno.test("a layer that is cut or damaged is refused", async () => {
  for (const stored of [gzipSync(plain), zstdCompressSync(plain)]) {
    const cut = stored.subarray(0, stored.length - 3);
    await assert.rejects(unpack(cut), { kind: "damaged" });
    const broken = Uint8Array.from(stored);
    broken.fill(0xff, 20, 60);
    await assert.rejects(unpack(broken), {
      kind: "damaged",
      message: /cannot be decompressed|damaged Zstandard stream/,
    });
  }
  const noise = Buffer.concat([zstdCompressSync(plain), Buffer.from("more")]);
  await assert.rejects(unpack(noise), { message: /no Zstandard stream/ });
});

Deno.test("a small layer that unpacks to very much is stopped", async () => {
  const bomb = gzipSync(new Uint8Array(32 * 1024 * 1024));
  const budget = new Budget({ ...LIMITS, contentBytes: 1024 * 1024 });
  await assert.rejects(
    collect(layerTar(once(bomb), sha256(bomb), budget)),
    { message: /more than 1048576 bytes of files/ },
  );
});

Deno.test("compressed layers are applied, and read anew from the start", async () => {
  const lower = tar([{ name: "a", content: "1" }, {
    name: "b",
    type: "1",
    linkName: "a",
  }]);
  const upper = tar([{ name: "a", content: "2" }]);
  const { root } = await applied([
    layerOf(lower, zstdCompressSync(lower)),
    layerOf(upper, gzipSync(upper)),
  ]);
  assert.deepEqual(linesOf(root), [
    '/a file 644 0:0 "2"',
    '/b file 644 0:0 "1"',
  ]);
});

Deno.test("bytes that make no sense are told as those of a wrong digest", async () => {
  const good = layerOf(plain);
  const bad = {
    ...good,
    async *read() {
      yield await Promise.resolve(new Uint8Array(512).fill(1));
      throw new Error("the stored digest is another");
    },
  };
  await assert.rejects(applied([bad]), {
    message: /the stored digest is another/,
  });
});

Deno.test("pieces without content are refused before they cost much", async () => {
  const empty = zstdCompressSync(new Uint8Array(0));
  const many = Buffer.concat(Array.from({ length: 3000 }, () => empty));
  const notes = Buffer.concat(
    Array.from({ length: 3000 }, () => skippable("")),
  );
  for (const stored of [many, notes]) {
    await assert.rejects(
      unpack(Buffer.concat([stored, zstdCompressSync(plain)])),
      { kind: "damaged", message: /more pieces than content/ },
    );
  }
});

Deno.test("a layer of many small pieces is unpacked, up to the limit on pieces", async () => {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < plain.length; at += 512) {
    pieces.push(zstdCompressSync(plain.subarray(at, at + 512)));
  }
  const stored = Buffer.concat(pieces);
  assert.equal((await unpack(stored)).length, plain.length);
  const budget = new Budget({ ...LIMITS, frames: 100 });
  await assert.rejects(
    collect(layerTar(once(stored), sha256(plain), budget)),
    { message: /more than 100 compressed pieces/ },
  );
});
