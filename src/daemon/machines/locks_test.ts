import assert from "node:assert/strict";
import { isLocked, tryLock } from "./locks.ts";

Deno.test("isLocked() sees the lock of another, and does not keep it itself", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assert.equal(await isLocked(folder), false);
    const lock = await tryLock(folder);
    assert.ok(lock instanceof Deno.FsFile);
    assert.equal(await isLocked(folder), true);
    assert.equal(await tryLock(folder), "held");
    lock.close();
    assert.equal(await isLocked(folder), false);
  } finally {
    await Deno.remove(folder);
  }
});

Deno.test("nobody holds a folder that is not there", async () => {
  assert.equal(await isLocked("/no/such"), false);
  assert.equal(await tryLock("/no/such"), "no folder");
});
