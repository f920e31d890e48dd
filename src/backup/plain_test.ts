import assert from "node:assert/strict";
import { CompressingSink, plainBytes } from "./plain.ts";
import { pieces } from "./testing.ts";

async function compressed(
  chunks: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const sink = new CompressingSink((chunk) => {
    parts.push(new Uint8Array(chunk));
    return Promise.resolve();
  });
  for await (const chunk of chunks) await sink.write(chunk);
  await sink.end();
  return await new Response(new Blob(parts)).bytes();
}

async function plain(bytes: Uint8Array): Promise<Uint8Array> {
  return await new Response(ReadableStream.from(plainBytes(pieces(bytes))))
    .bytes();
}

Deno.test("what is compressed comes out again, and so does what is not", async () => {
  const bytes = new Uint8Array(3_000_000).map((_, at) => at % 251);
  const small = await compressed(pieces(bytes, 70_001));
  assert.ok(small.length < bytes.length / 10);
  assert.deepEqual(await plain(small), bytes);
  assert.deepEqual(await plain(bytes), bytes);
  assert.deepEqual(
    await plain(await compressed(pieces(new Uint8Array(0)))),
    new Uint8Array(0),
  );
});

Deno.test("what cannot be handed on fails the write, and does not hang it", async () => {
  const sink = new CompressingSink(() => Promise.reject(new Error("full")));
  const noise = crypto.getRandomValues(new Uint8Array(65536));
  await assert.rejects(async () => {
    for (let times = 0; times < 1000; times++) await sink.write(noise);
    await sink.end();
  }, { message: "full" });
});
