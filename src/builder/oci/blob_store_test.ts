import assert from "node:assert/strict";
import { sha256 } from "../../../tests/harness/oci_image.ts";
import { tmpFolder } from "../testing.ts";
import { BlobStore } from "./blob_store.ts";

const { signal } = new AbortController();
const BYTES = new TextEncoder().encode("the bytes of a blob");
const DIGEST = sha256(BYTES);

function claimed(store: BlobStore, told: string[] = []) {
  return store.claim(DIGEST, { signal, onWait: () => told.push("waits") });
}

async function listed(store: BlobStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { digest, size, isPartial } of store.list()) {
    found.push(`${digest} ${size}${isPartial ? " partial" : ""}`);
  }
  return found;
}

Deno.test("a blob is there once it was published, and not before", async () => {
  await using tmp = await tmpFolder();
  const store = new BlobStore(tmp.path);
  {
    using claim = await claimed(store);
    assert.ok(claim);
    await claim.file.write(BYTES);
    assert.equal(await store.read(DIGEST), undefined);
    assert.deepEqual(await listed(store), [`${DIGEST} 19 partial`]);
    await claim.publish();
  }
  assert.equal((await store.find({ digest: DIGEST, size: 19 }))?.size, 19);
  assert.equal(await store.find({ digest: DIGEST, size: 18 }), undefined);
  assert.deepEqual(await listed(store), [`${DIGEST} 19`]);
  assert.equal(await claimed(store), undefined);
});

Deno.test("who waits for a blob finds it there, or goes on with it", async () => {
  await using tmp = await tmpFolder();
  const store = new BlobStore(tmp.path);
  const told: string[] = [];
  const first = await claimed(store);
  assert.ok(first);
  await first.file.write(BYTES.subarray(0, 4));
  const second = claimed(store, told);
  first[Symbol.dispose]();
  const went = await second;
  assert.ok(went, "the first one gave up");
  assert.equal((await went.file.stat()).size, 4);
  const third = claimed(store, told);
  await went.file.write(BYTES);
  await went.publish();
  went[Symbol.dispose]();
  assert.equal(await third, undefined, "it is there");
});

Deno.test("a beginning that somebody is at is not removed", async () => {
  await using tmp = await tmpFolder();
  const store = new BlobStore(tmp.path);
  const claim = await claimed(store);
  assert.equal(await store.removePartial(DIGEST), false);
  claim?.[Symbol.dispose]();
  assert.equal(await store.removePartial(DIGEST), true);
  assert.deepEqual(await listed(store), []);
});
