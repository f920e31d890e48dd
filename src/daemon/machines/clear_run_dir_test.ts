import assert from "node:assert/strict";
import { clearRunDir } from "./clear_run_dir.ts";

Deno.test("clearRunDir() removes a folder that nobody holds, with all in it", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/monitor.conf`, "version=1\0");
  await clearRunDir(folder);
  await assert.rejects(Deno.lstat(folder), Deno.errors.NotFound);
  // Nor is it an error that there is none.
  await clearRunDir(folder);
});

Deno.test("clearRunDir() waits for whoever holds the folder to let go", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/monitor.state`, "cause=exited\n");
  const held = await Deno.open(folder, { read: true });
  assert.equal(await held.tryLock(true), true);
  let isCleared = false;
  const cleared = clearRunDir(folder).then(() => isCleared = true);
  await new Promise((wake) => setTimeout(wake, 120));
  assert.equal(isCleared, false);
  held.close();
  await cleared;
  await assert.rejects(Deno.lstat(folder), Deno.errors.NotFound);
});
