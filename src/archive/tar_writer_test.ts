import assert from "node:assert/strict";
import { collect, once } from "../builder/testing.ts";
import { ByteSource } from "./byte_source.ts";
import { type TarEntry, TarReader } from "./tar_reader.ts";
import { archiveEnd, entryHead, type NewEntry } from "./tar_writer.ts";

const PLAIN: NewEntry = {
  kind: "file",
  name: "a",
  mode: 0o640,
  uid: 1,
  gid: 2,
  mtime: 3,
  size: 0,
};

/** What a reader makes of the head of one entry, its content not looked at. */
async function read(entry: NewEntry): Promise<TarEntry> {
  const bytes = new Uint8Array([...entryHead(entry), ...archiveEnd()]);
  const found = await new TarReader(new ByteSource(once(bytes))).next();
  assert.ok(found);
  return found;
}

Deno.test("what fits is in one header, and read as it was written", async () => {
  assert.equal(entryHead(PLAIN).length, 512);
  const { kind, name, mode, uid, gid, mtime, size } = await read(PLAIN);
  assert.deepEqual({ kind, name, mode, uid, gid, mtime, size }, PLAIN);
  assert.equal((await read({ ...PLAIN, kind: "directory" })).kind, "directory");
});

for (
  const [what, change] of Object.entries({
    "a size over 8 GiB": { size: 9 * 1024 ** 3 },
    "ids of more than 21 bits": { uid: 0x7000_0001, gid: 0x7000_0002 },
    "a name of more than 100 bytes": { name: "n".repeat(300) },
  })
) {
  Deno.test(`${what} is written in a record`, async () => {
    const found = await read({ ...PLAIN, ...change });
    for (const [field, value] of Object.entries(change)) {
      assert.equal(found[field as keyof TarEntry], value, field);
    }
  });
}

Deno.test("a file of holes alone keeps its size", async () => {
  const head = entryHead({ ...PLAIN, size: 1_000_000, parts: [] });
  const bytes = new Uint8Array([...head, ...archiveEnd()]);
  const reader = new TarReader(new ByteSource(once(bytes)));
  const entry = await reader.next();
  assert.equal(entry?.size, 1_000_000);
  assert.deepEqual(entry?.parts, []);
  const content = await collect(entry?.content() ?? once(new Uint8Array(0)));
  assert.equal(content.length, 1_000_000);
  assert.equal(await reader.next(), undefined);
});
