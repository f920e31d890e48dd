import assert from "node:assert/strict";
import { makeRootCopy, makeStateDisk } from "./disks.ts";

const never = new AbortController().signal;

async function withFolder(
  test: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = (folder: string) =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();

Deno.test("a state disk is made once, for its owner alone", () =>
  withFolder(async (folder) => {
    const path = `${folder}/state.ext4`;
    await makeStateDisk(path, 16, undefined, never);
    const before = await Deno.stat(path);
    assert.equal(before.size, 16 * 1024 * 1024);
    assert.equal((before.mode ?? 0) & 0o777, 0o600);
    assert.deepEqual(names(folder), ["state.ext4", "state.ext4.made"]);
    await makeStateDisk(path, 16, undefined, never);
    assert.equal((await Deno.stat(path)).ino, before.ino);
  }));

Deno.test("a disk that was made and is gone is not made anew", () =>
  withFolder(async (folder) => {
    const source = `${folder}/image`;
    await Deno.writeTextFile(source, "image");
    const disks: readonly [string, (path: string) => Promise<void>][] = [
      ["state", (path) => makeStateDisk(path, 16, undefined, never)],
      ["root", (path) => makeRootCopy(path, source, undefined, never)],
    ];
    for (const [name, make] of disks) {
      const path = `${folder}/${name}`;
      await make(path);
      await Deno.rename(path, `${folder}/elsewhere`);
      await assert.rejects(make(path), {
        code: "file-not-found",
        message:
          `Cannot use disk "${path}": it was made for this VM before, and is gone`,
      });
      await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
      await Deno.rename(`${folder}/elsewhere`, path);
      await make(path);
    }
  }));

Deno.test("a disk whose making was interrupted is made anew, a whole one kept", () =>
  withFolder(async (folder) => {
    const source = `${folder}/image`;
    await Deno.writeTextFile(source, "image");
    const path = `${folder}/root.img`;
    await Deno.writeTextFile(`${path}.new`, "ima");
    await makeRootCopy(path, source, undefined, never);
    assert.equal(await Deno.readTextFile(path), "image");
    // Killed after the rename, before the mark.
    await Deno.remove(`${path}.made`);
    await Deno.writeTextFile(path, "kept");
    await makeRootCopy(path, source, undefined, never);
    assert.equal(await Deno.readTextFile(path), "kept");
    assert.deepEqual(names(folder), ["image", "root.img", "root.img.made"]);
  }));

Deno.test("a copy that fails leaves neither disk nor mark", () =>
  withFolder(async (folder) => {
    const making = makeRootCopy(`${folder}/a`, `${folder}/b`, undefined, never);
    await assert.rejects(making, { code: "boot-failed" });
    assert.deepEqual(names(folder), []);
  }));
