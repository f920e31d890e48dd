import assert from "node:assert/strict";
import { cpioArchive, cpioSize } from "./cpio.ts";
import { hostFileOf } from "./host_files.ts";
import { collect, filter, tmpFolder } from "./testing.ts";
import { type Entry, RootTree } from "./tree.ts";

const OPTIONS = { mtime: 86_400, signal: new AbortController().signal };

function bytesEntry(text: string, mode = 0o644): Entry {
  const content = new TextEncoder().encode(text);
  return { kind: "file", mode, uid: 0, gid: 0, content };
}

function sampleTree(): RootTree {
  const tree = new RootTree();
  const root = { uid: 0, gid: 0 };
  tree.put("/tmp", { kind: "directory", mode: 0o1777, ...root });
  tree.put("/etc/a", bytesEntry("abc"));
  tree.put("/etc/b b é", bytesEntry("with a strange name", 0o600));
  tree.put("/etc/empty", bytesEntry(""));
  tree.put("/etc/link", {
    kind: "symlink",
    mode: 0o777,
    target: "a",
    ...root,
  });
  tree.put("/dev/console", {
    kind: "char-device",
    mode: 0o600,
    major: 5,
    minor: 1,
    ...root,
  });
  return tree;
}

Deno.test("cpio lists what the tree holds, with modes, owners and times", async () => {
  const archive = await collect(cpioArchive(sampleTree(), OPTIONS));
  const listing = new TextDecoder().decode(
    await filter("/usr/bin/env", [
      "LC_ALL=C.UTF-8",
      "TZ=UTC",
      "cpio",
      "-itvn",
      "--quiet",
    ], archive),
  );
  const lines = listing.trimEnd().split("\n")
    .map((line) => line.replaceAll(/ +/g, " "));
  assert.deepEqual(lines, [
    "drwxr-xr-x 2 0 0 0 Jan 2 1970 dev",
    "crw------- 1 0 0 5, 1 Jan 2 1970 dev/console",
    "drwxr-xr-x 2 0 0 0 Jan 2 1970 etc",
    "-rw-r--r-- 1 0 0 3 Jan 2 1970 etc/a",
    "-rw------- 1 0 0 19 Jan 2 1970 etc/b b é",
    "-rw-r--r-- 1 0 0 0 Jan 2 1970 etc/empty",
    "lrwxrwxrwx 1 0 0 1 Jan 2 1970 etc/link -> a",
    "drwxrwxrwt 2 0 0 0 Jan 2 1970 tmp",
  ]);
});

Deno.test("cpio unpacks the same contents again", async () => {
  await using folder = await tmpFolder();
  const large = "0123456789".repeat(70_001);
  const source = await folder.file("large", large);
  const tree = new RootTree();
  tree.put("/etc/a", bytesEntry("abc"));
  tree.put("/etc/link", {
    kind: "symlink",
    mode: 0o777,
    uid: 0,
    gid: 0,
    target: "../x/y",
  });
  tree.put("/x/large", {
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    content: hostFileOf(source, await Deno.stat(source)),
  });
  const archive = await collect(cpioArchive(tree, OPTIONS));
  const out = `${folder.path}/out`;
  await Deno.mkdir(out);
  await filter("cpio", ["-idm", "--quiet"], archive, out);
  assert.equal(await Deno.readTextFile(`${out}/etc/a`), "abc");
  assert.equal(await Deno.readTextFile(`${out}/x/large`), large);
  assert.equal(await Deno.readLink(`${out}/etc/link`), "../x/y");
});

Deno.test("the size of the archive is known before it is written", async () => {
  const archive = await collect(cpioArchive(sampleTree(), OPTIONS));
  assert.equal(archive.length, cpioSize(sampleTree()));
  assert.equal(archive.length % 512, 0);
});

Deno.test("inodes are counted, and no field tells of this host", async () => {
  const archive = await collect(cpioArchive(sampleTree(), OPTIONS));
  const text = new TextDecoder("latin1").decode(archive);
  const headers = [...text.matchAll(/070701([0-9a-f]{104})/g)]
    .map(([, fields = ""]) => fields);
  assert.deepEqual(
    headers.slice(0, -1).map((fields) => parseInt(fields.slice(0, 8), 16)),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  for (const fields of headers) {
    assert.equal(fields.slice(56, 72), "0".repeat(16), "the device is 0");
  }
});

Deno.test("a file that changed since it was looked at breaks the archive off", async () => {
  await using folder = await tmpFolder();
  const path = await folder.file("a", "before");
  const content = hostFileOf(path, await Deno.stat(path));
  const tree = new RootTree();
  tree.put("/a", { kind: "file", mode: 0o644, uid: 0, gid: 0, content });
  await Deno.writeTextFile(path, "after, and longer");
  await assert.rejects(collect(cpioArchive(tree, OPTIONS)), /it changed while/);
  await Deno.remove(path);
  await assert.rejects(collect(cpioArchive(tree, OPTIONS)), /it is gone/);
});

Deno.test("a file an initramfs cannot hold is refused by its size", async () => {
  const tree = new RootTree();
  const content = { path: "/nonexistent", size: 2 ** 32, dev: 0, ino: 0 };
  tree.put("/big", { kind: "file", mode: 0o644, uid: 0, gid: 0, content });
  await assert.rejects(collect(cpioArchive(tree, OPTIONS)), /no file above 4/);
});

Deno.test("a name that would end the archive is refused", async () => {
  const tree = new RootTree();
  tree.put("/TRAILER!!!", bytesEntry("x"));
  await assert.rejects(
    collect(cpioArchive(tree, OPTIONS)),
    /"\/TRAILER!!!".*ends an initramfs/,
  );
  const below = new RootTree();
  below.put("/srv/TRAILER!!!", bytesEntry("x"));
  await collect(cpioArchive(below, OPTIONS));
});
