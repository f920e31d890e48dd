import assert from "node:assert/strict";
import { OutputFile } from "./output.ts";
import { once, tmpFolder } from "./testing.ts";

const SIGNAL = new AbortController().signal;
const ABC = new TextEncoder().encode("abc");
const DIGEST_OF_ABC =
  "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

async function namesIn(folder: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(folder));
  return names.map(({ name }) => name).sort();
}

Deno.test("an output is there whole, with its digest and size", async () => {
  await using folder = await tmpFolder();
  {
    await using file = await OutputFile.create(`${folder.path}/out`);
    assert.deepEqual(await file.write(once(ABC), SIGNAL), {
      digest: DIGEST_OF_ABC,
      sizeBytes: 3,
    });
    assert.deepEqual(await namesIn(folder.path), ["out.partial"]);
    await file.publish();
  }
  assert.deepEqual(await namesIn(folder.path), ["out"]);
  assert.equal(await Deno.readTextFile(`${folder.path}/out`), "abc");
});

Deno.test("a failed output leaves what was there before, and nothing else", async () => {
  await using folder = await tmpFolder();
  await folder.file("out", "before");
  const failing = async function* () {
    yield await Promise.resolve(ABC);
    throw new Error("broke");
  };
  await assert.rejects(async () => {
    await using file = await OutputFile.create(`${folder.path}/out`);
    await file.write(failing(), SIGNAL);
  }, /broke/);
  assert.deepEqual(await namesIn(folder.path), ["out"]);
  assert.equal(await Deno.readTextFile(`${folder.path}/out`), "before");
});

Deno.test("what a killed build left is taken over", async () => {
  await using folder = await tmpFolder();
  await folder.file("out.partial", "rubbish that is longer");
  await using file = await OutputFile.create(`${folder.path}/out`);
  await file.write(once(ABC), SIGNAL);
  await file.publish();
  assert.equal(await Deno.readTextFile(`${folder.path}/out`), "abc");
});

Deno.test("two builds never write one output", async () => {
  await using folder = await tmpFolder();
  await using first = await OutputFile.create(`${folder.path}/out`);
  await assert.rejects(
    OutputFile.create(`${folder.path}/out`),
    /another build is writing it/,
  );
  await first.write(once(ABC), SIGNAL);
  await first.publish();
  assert.equal(await Deno.readTextFile(`${folder.path}/out`), "abc");
});

Deno.test("an output in no folder, or where a folder is, is refused", async () => {
  await using folder = await tmpFolder();
  await assert.rejects(
    OutputFile.create(`${folder.path}/nope/out`),
    /its folder does not exist/,
  );
  await assert.rejects(
    OutputFile.create(folder.path),
    /something other than a file is there/,
  );
});

Deno.test("an output is never written through a link", async () => {
  await using folder = await tmpFolder();
  const victim = await folder.file("victim", "precious");
  await Deno.symlink(victim, `${folder.path}/out.partial`);
  await assert.rejects(OutputFile.create(`${folder.path}/out`));
  assert.equal(await Deno.readTextFile(victim), "precious");
});
