import assert from "node:assert/strict";
import { dataExtents } from "./libc.ts";

async function withFile(
  act: (path: string, file: Deno.FsFile) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    using file = await Deno.open(path, { read: true, write: true });
    await act(path, file);
  } finally {
    await Deno.remove(path);
  }
}

const BLOCK = 64 * 1024;

async function put(file: Deno.FsFile, offset: number): Promise<void> {
  await file.seek(offset, Deno.SeekMode.Start);
  await file.write(new Uint8Array(BLOCK).fill(7));
}

Deno.test("data of a file with holes is found without reading it", async () => {
  await withFile(async (path, file) => {
    await file.truncate(10 * 1024 ** 4);
    await put(file, 16 * BLOCK);
    await put(file, 9 * 1024 ** 4);
    assert.deepEqual(dataExtents(path), [
      { offset: 16 * BLOCK, length: BLOCK },
      { offset: 9 * 1024 ** 4, length: BLOCK },
    ]);
  });
});

Deno.test("an empty file and one hole have no data", async () => {
  await withFile(async (path, file) => {
    assert.deepEqual(dataExtents(path), []);
    await file.truncate(1024 ** 3);
    assert.deepEqual(dataExtents(path), []);
  });
});

Deno.test("a file that ends with data has no hole after it", async () => {
  await withFile(async (path, file) => {
    await put(file, 0);
    assert.deepEqual(dataExtents(path), [{ offset: 0, length: BLOCK }]);
  });
});

Deno.test("a file that is not there is told by its path", () => {
  assert.throws(() => dataExtents("/nonexistent/file"), {
    message: 'Cannot open "/nonexistent/file": os error 2',
  });
});
