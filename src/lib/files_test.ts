import assert from "node:assert/strict";
import { isDiskFault } from "./fault.ts";
import {
  checkPassable,
  makeDir,
  openRegularFile,
  storageFault,
  writeFileAtomic,
} from "./files.ts";
import { run } from "./exec.ts";

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

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

Deno.test("makeDir() gives a new folder its mode under any umask", () =>
  withFolder(async (folder) => {
    const before = Deno.umask(0o077);
    try {
      for (const mask of [0o077, 0o027, 0o000]) {
        Deno.umask(mask);
        await makeDir(`${folder}/${mask}/in/it/`, 0o711);
        assert.equal(await modeOf(`${folder}/${mask}/in/it`), 0o711);
        assert.equal(await modeOf(`${folder}/${mask}/in`), 0o700);
      }
    } finally {
      Deno.umask(before);
    }
  }));

Deno.test("makeDir() leaves a folder that is there as it is", () =>
  withFolder(async (folder) => {
    await Deno.chmod(folder, 0o750);
    await makeDir(folder, 0o711);
    assert.equal(await modeOf(folder), 0o750);
  }));

Deno.test("makeDir() does not take a file for a folder", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    await assert.rejects(makeDir(`${folder}/file`), { code: "invalid-input" });
  }));

Deno.test("openRegularFile() opens nothing but a file, and never waits", () =>
  withFolder(async (folder) => {
    const named = { what: "thing", hint: "Check it" };
    const fifo = `${folder}/fifo`;
    await run("/usr/bin/mkfifo", [fifo]);
    for (const path of [fifo, folder, "/dev/zero"]) {
      await assert.rejects(openRegularFile(path, named), {
        code: "file-not-found",
        message: `Cannot read thing "${path}": it is not a regular file`,
        hint: "Check it",
      });
    }
    await Deno.writeTextFile(`${folder}/file`, "x");
    for (const path of [`${folder}/none`, `${folder}/file/none`]) {
      await assert.rejects(openRegularFile(path, named), {
        code: "file-not-found",
        message: /it is not there/,
      });
    }
    await assert.rejects(openRegularFile(`/${"x".repeat(300)}`, named), {
      code: "file-not-found",
      message: /it cannot be opened/,
    });
    using file = await openRegularFile(`${folder}/file`, named);
    assert.equal((await file.stat()).size, 1);
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

Deno.test("storageFault() knows what is wrong with a disk", () => {
  const codes: Record<string, string> = {
    "x (os error 28)": "disk-full",
    "x (os error 122)": "disk-full",
    "database or disk is full": "disk-full",
    "x (os error 30)": "disk-read-only",
    "x (os error 5)": "disk-failed",
  };
  for (const [text, code] of Object.entries(codes)) {
    const fault = storageFault(new Error(text), "write", "/f");
    assert.ok(isDiskFault(fault), text);
    assert.equal(fault.code, code);
  }
  for (const text of ["else", "x (os error 2)", "x (os error 54)"]) {
    const other = new Error(text);
    assert.equal(storageFault(other, "write", "/f"), other);
  }
});
