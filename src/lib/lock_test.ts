import assert from "node:assert/strict";
import { Fault } from "./fault.ts";
import { lockFile } from "./lock.ts";

async function withFolder(test: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("lockFile() lets one holder in, and says who it is", () =>
  withFolder(async (folder) => {
    const path = `${folder}/lock`;
    {
      using _held = await lockFile(path);
      await assert.rejects(lockFile(path), (error) => {
        assert.ok(error instanceof Fault);
        assert.equal(error.code, "state-locked");
        const { pid, since } = error.details;
        assert.equal(pid, Deno.pid);
        assert.ok(Date.now() - Date.parse(String(since)) < 60_000);
        assert.match(
          error.message,
          /a daemon \(pid \d+, since 2\S+Z, as ".+"\) holds it$/,
        );
        return true;
      });
    }
    using _again = await lockFile(path);
  }));

Deno.test("lockFile() closes the file to others, also one that was open", () =>
  withFolder(async (folder) => {
    const open = `${folder}/open`;
    await Deno.writeTextFile(open, "");
    await Deno.chmod(open, 0o644);
    for (const path of [`${folder}/new`, open]) {
      using _held = await lockFile(path);
      assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    }
  }));

Deno.test("lockFile() names no holder that has not signed yet", () =>
  withFolder(async (folder) => {
    const path = `${folder}/lock`;
    using other = await Deno.open(path, { create: true, write: true });
    assert.ok(await other.tryLock(true));
    await other.write(new TextEncoder().encode("12"));
    await assert.rejects(lockFile(path), {
      code: "state-locked",
      message: `Cannot lock "${path}": a daemon (pid unknown) holds it`,
    });
  }));

Deno.test("lockFile() waits a while for the holder's name", () =>
  withFolder(async (folder) => {
    const path = `${folder}/lock`;
    using other = await Deno.open(path, { create: true, write: true });
    assert.ok(await other.tryLock(true));
    const refused = assert.rejects(lockFile(path), { message: /pid 123[,)]/ });
    await other.write(new TextEncoder().encode("123\n"));
    await refused;
  }));

Deno.test("lockFile() takes nothing that is no file for a lock", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/lock`);
    await assert.rejects(lockFile(`${folder}/lock`), {
      code: "invalid-input",
      message: /it is a folder/,
    });
  }));
