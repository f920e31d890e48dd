import assert from "node:assert/strict";
import { ArtifactStore } from "./artifact_store.ts";

const HELLO =
  "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
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

Deno.test("ArtifactStore collects what nobody uses", () =>
  withStore(async (store, file) => {
    const digest = await store.import({ url: file }, never);
    await store.collect((each) => each === digest);
    await Deno.stat(store.path(digest));
    await store.collect(() => false);
    await assert.rejects(Deno.stat(store.path(digest)));
  }));
