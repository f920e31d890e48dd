import assert from "node:assert/strict";
import { checkPassable, storageFault, writeFileAtomic } from "./files.ts";

async function withFolder(test: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ dir: "/tmp" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("writeFileAtomic() replaces a file, with its mode, and leaves nothing beside it", () =>
  withFolder(async (folder) => {
    const path = `${folder}/file`;
    await writeFileAtomic(path, "one");
    await writeFileAtomic(path, "two", 0o640);
    assert.equal(await Deno.readTextFile(path), "two");
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o640);
    assert.deepEqual([...Deno.readDirSync(folder)].map((e) => e.name), [
      "file",
    ]);
  }));

Deno.test("checkPassable() names the folder that is closed", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/state`, { mode: 0o711 });
    await assert.rejects(checkPassable(`${folder}/state`), {
      code: "invalid-input",
      hint: `Open it with chmod o+x "${folder}", or name another folder`,
    });
    await Deno.chmod(folder, 0o711);
    await checkPassable(`${folder}/state`);
  }));

Deno.test("storageFault() knows a full disk from other errors", () => {
  const full = storageFault(new Error("x (os error 28)"), "write", "/f");
  assert.equal((full as { code?: string }).code, "disk-full");
  const other = new Error("else");
  assert.equal(storageFault(other, "write", "/f"), other);
});
