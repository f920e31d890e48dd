import assert from "node:assert/strict";
import { run } from "../../lib/exec.ts";
import { ArtifactStore } from "./artifact_store.ts";

const HELLO =
  "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const unused = () => false;
const never = new AbortController().signal;

async function withStore(
  test: (store: ArtifactStore, file: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const store = new ArtifactStore(folder);
    await store.open();
    const file = `${folder}/hello`;
    await Deno.writeTextFile(file, "hello");
    await test(store, file);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("ArtifactStore names a file by what is in it", () =>
  withStore(async (store, file) => {
    const digest = await store.import(
      { url: `file://${file}`, checksum: HELLO },
      never,
    );
    assert.equal(digest, HELLO);
    assert.equal(await Deno.readTextFile(store.path(digest)), "hello");
  }));

Deno.test("ArtifactStore keeps the holes of a file, and every byte", () =>
  withStore(async (store, file) => {
    const MIB = 1024 * 1024;
    const contents = new Uint8Array(10 * MIB + 17);
    contents.set([1, 2, 3], MIB - 1);
    contents.set([4], 5 * MIB);
    for (const last of [0, 9]) {
      contents[contents.length - 1] = last;
      await Deno.writeFile(file, contents);
      const copy = store.path(await store.import({ url: file }, never));
      assert.deepEqual(await Deno.readFile(copy), contents);
      const { blocks } = await Deno.stat(copy);
      assert.ok((blocks ?? 0) * 512 < MIB, `${blocks} blocks`);
    }
  }));

Deno.test("ArtifactStore keeps nothing of a file with another checksum", () =>
  withStore(async (store, file) => {
    const checksum = `sha256:${"0".repeat(64)}`;
    await assert.rejects(store.import({ url: file, checksum }, never), {
      code: "checksum-mismatch",
    });
    const folder = store.path(HELLO).replace(/sha256\/.*/, "");
    assert.deepEqual([...Deno.readDirSync(`${folder}incoming`)], []);
    assert.deepEqual([...Deno.readDirSync(`${folder}sha256`)], []);
  }));

Deno.test("ArtifactStore says which file is missing", () =>
  withStore(async (store) => {
    await assert.rejects(store.import({ url: "/no/such" }, never), {
      code: "file-not-found",
      message: `Cannot read artifact "/no/such": it is not there`,
    });
  }));

Deno.test("ArtifactStore collects what nobody uses or holds", () =>
  withStore(async (store, file) => {
    const digest = await store.import({ url: file }, never);
    await store.collect(() => false);
    await Deno.stat(store.path(digest));
    await store.release(digest, () => true);
    await store.collect((each) => each === digest);
    await Deno.stat(store.path(digest));
    await store.collect(() => false);
    await assert.rejects(Deno.stat(store.path(digest)));
  }));

Deno.test("ArtifactStore removes nothing that an import holds", () =>
  withStore(async (store, file) => {
    const digest = await store.import({ url: file }, never);
    await store.import({ url: file }, never);
    await store.releaseUnused(digest, unused);
    await store.release(digest, unused);
    await Deno.stat(store.path(digest));
    await store.release(digest, unused);
    await assert.rejects(Deno.stat(store.path(digest)), Deno.errors.NotFound);
    await assert.rejects(store.release(digest, unused), /is not held/);
  }));

Deno.test("ArtifactStore keeps what is used when it is released", () =>
  withStore(async (store, file) => {
    const digest = await store.import({ url: file }, never);
    await store.release(digest, (each) => each === HELLO);
    await Deno.stat(store.path(digest));
    await store.releaseUnused(digest, unused);
    await assert.rejects(Deno.stat(store.path(digest)), Deno.errors.NotFound);
  }));

Deno.test("ArtifactStore survives imports and removals at the same time", () =>
  withStore(async (store, file) => {
    const one = async () => {
      const digest = await store.import({ url: file }, never);
      await store.releaseUnused(digest, unused);
      assert.equal(await Deno.readTextFile(store.path(digest)), "hello");
      await store.release(digest, unused);
    };
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 8 }, one));
      await assert.rejects(Deno.stat(store.path(HELLO)), Deno.errors.NotFound);
    }
  }));

Deno.test("ArtifactStore holds nothing of an import that fails", () =>
  withStore(async (store, file) => {
    await Deno.mkdir(store.path(HELLO));
    await assert.rejects(store.import({ url: file }, never));
    await assert.rejects(store.release(HELLO, unused), /is not held/);
  }));

Deno.test("ArtifactStore does not wait for the writer of a FIFO", () =>
  withStore(async (store, file) => {
    await run("/usr/bin/mkfifo", [`${file}.fifo`]);
    await assert.rejects(store.import({ url: `${file}.fifo` }, never), {
      code: "file-not-found",
      message: `Cannot read artifact "${file}.fifo": it is not a regular file`,
    });
  }));

Deno.test("ArtifactStore opens its files to a VMM of another user under any umask", () =>
  withStore(async (store, file) => {
    const before = Deno.umask(0o077);
    try {
      const digest = await store.import({ url: file }, never);
      const mode = async (path: string) =>
        ((await Deno.stat(path)).mode ?? 0) & 0o777;
      const path = store.path(digest);
      assert.equal(await mode(path), 0o644);
      assert.equal(await mode(path.replace(/\/[^/]*$/, "")), 0o711);
      assert.equal(await mode(path.replace(/\/sha256.*/, "")), 0o711);
    } finally {
      Deno.umask(before);
    }
  }));

Deno.test("ArtifactStore puts a file in place after a removal that has begun", () =>
  withStore(async (store, file) => {
    const digest = await store.import({ url: file }, never);
    await store.release(digest, () => true);
    const { remove, rename } = Deno;
    const renamed = Promise.withResolvers<void>();
    Deno.rename = async (from, to) => {
      await rename(from, to);
      renamed.resolve();
    };
    // Slow enough for the import to come between, if it could.
    Deno.remove = async (path, options) => {
      if (path === store.path(digest)) {
        const late = setTimeout(renamed.resolve, 200);
        await renamed.promise;
        clearTimeout(late);
      }
      await remove(path, options);
    };
    try {
      const removal = store.releaseUnused(digest, unused);
      await Promise.all([removal, store.import({ url: file }, never)]);
    } finally {
      Object.assign(Deno, { remove, rename });
    }
    assert.equal(await Deno.readTextFile(store.path(digest)), "hello");
  }));
