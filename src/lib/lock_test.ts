import assert from "node:assert/strict";
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
      await assert.rejects(lockFile(path), {
        code: "state-locked",
        message: `Cannot lock "${path}": a daemon (pid ${Deno.pid}) holds it`,
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
