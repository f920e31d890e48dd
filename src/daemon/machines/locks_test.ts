import assert from "node:assert/strict";
import { deviceName, isLocked, lockHolders } from "./locks.ts";

Deno.test("isLocked() sees a lock that somebody holds, and takes none", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assert.equal(await isLocked(folder), false);
    {
      using file = await Deno.open(folder);
      assert.ok(await file.tryLock(true));
      assert.equal(await isLocked(folder), true);
    }
    assert.equal(await isLocked(folder), false);
    assert.equal(await isLocked(`${folder}/not-there`), false);
  } finally {
    await Deno.remove(folder);
  }
});

Deno.test("deviceName() writes a device as /proc/locks does", () => {
  assert.equal(deviceName(0x2a), "00:2a");
  assert.equal(deviceName(0x0801), "08:01");
});

Deno.test("lockHolders() knows who holds a file, by its inode", async () => {
  const path = await Deno.makeTempFile();
  try {
    using file = await Deno.open(path, { read: true });
    assert.equal(await file.tryLock(true), true);
    const { ino } = await Deno.lstat(path);
    assert.ok((await lockHolders()).get(String(ino))?.has(Deno.pid));
  } finally {
    await Deno.remove(path);
  }
});
