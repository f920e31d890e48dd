import assert from "node:assert/strict";
import { tar, type TarFile } from "../../../tests/harness/tar.ts";
import { dir, file, link, symlink } from "../../../tests/harness/tar_files.ts";
import { applied, linesOf, pathsOf } from "./testing.ts";

/** The tree of layers given as lists of files, the lowest first. */
async function tree(...layers: readonly (readonly TarFile[])[]) {
  return await applied(layers.map((files) => tar(files)));
}

Deno.test("names, owners, modes, times, devices and attributes are kept", async () => {
  const capability = Uint8Array.of(1, 0, 0, 2, 0x80, 0xff, 0, 0);
  const { root } = await tree([
    dir("./", { mode: 0o1755, uid: 7 }),
    { ...file("a", "x"), mode: 0o4711, uid: 1000, gid: 3_000_000 },
    { ...file("b"), mtime: 5, xattrs: { "security.capability": capability } },
    { name: "c", type: "3", major: 1, minor: 3 },
    { name: "d", type: "4", major: 259, minor: 70_000 },
    { name: "e", type: "6" },
    { ...file("f"), pax: [["mtime", "-1.5"]] },
  ]);
  assert.equal(root.mode, 0o1755);
  assert.equal(root.uid, 7);
  assert.deepEqual(linesOf(root), [
    '/a file 4711 1000:3000000 "x"',
    '/b file 644 0:0 "b"',
    "/c char 644 0:0 1,3",
    "/d block 644 0:0 259,70000",
    "/e fifo 644 0:0",
    '/f file 644 0:0 "f"',
  ]);
  const b = root.entries.get("b");
  assert.equal(b?.mtime, 5);
  assert.deepEqual(b?.xattrs, new Map([["security.capability", capability]]));
  const f = root.entries.get("f");
  assert.deepEqual([f?.mtime, f?.mtimeNs], [-2, 500_000_000]);
});

Deno.test("attributes that belong to the building host are left out", async () => {
  const value = Uint8Array.of(121);
  const { root } = await tree([{
    ...file("a"),
    xattrs: {
      "trusted.overlay.opaque": value,
      "security.selinux": value,
      "user.kept": value,
    },
  }]);
  assert.deepEqual([...root.entries.get("a")?.xattrs?.keys() ?? []], [
    "user.kept",
  ]);
});

Deno.test("lists of access rights are kept, and no name that only begins like them", async () => {
  const value = Uint8Array.of(2, 0, 0, 0);
  const { root } = await tree([{
    ...file("a"),
    xattrs: {
      "system.posix_acl_access": value,
      "system.posix_acl_default": value,
      "system.posix_acl_accessory": value,
      "system.nfs4_acl": value,
    },
  }]);
  assert.deepEqual([...root.entries.get("a")?.xattrs?.keys() ?? []], [
    "system.posix_acl_access",
    "system.posix_acl_default",
  ]);
});

Deno.test("a file that an upper layer has too is never written", async () => {
  const { root, written, layersRead } = await tree(
    [file("a", "old"), file("b", "kept")],
    [file("a", "new")],
  );
  assert.deepEqual(written, ["new", "kept"]);
  assert.deepEqual(layersRead, [2, 1]);
  assert.deepEqual(linesOf(root), [
    '/a file 644 0:0 "new"',
    '/b file 644 0:0 "kept"',
  ]);
});

Deno.test("a whiteout hides a file or a folder of lower layers, and is not in the tree", async () => {
  const { root, written } = await tree(
    [dir("d"), file("d/x"), file("gone"), file("stays")],
    [file(".wh.gone"), file(".wh.d"), file(".wh.never")],
  );
  assert.deepEqual(pathsOf(root), ["/stays"]);
  assert.deepEqual(written, ["stays"]);
});

Deno.test("a whiteout hides nothing of its own layer, wherever it stands in it", async () => {
  for (const isFirst of [true, false]) {
    const hide = [file(".wh.d"), file(".wh.f")];
    const bring = [dir("d", { mode: 0o700 }), file("d/new"), file("f", "new")];
    const { root } = await tree(
      [dir("d"), file("d/old"), file("f", "old")],
      isFirst ? [...hide, ...bring] : [...bring, ...hide],
    );
    assert.deepEqual(linesOf(root), [
      "/d directory 700 0:0",
      '/d/new file 644 0:0 "d/new"',
      '/f file 644 0:0 "new"',
    ]);
  }
});

Deno.test("an opaque folder hides what lower layers have in it, at any depth", async () => {
  for (const isFirst of [true, false]) {
    const opaque = file("d/.wh..wh..opq");
    const bring = [file("d/sub/new")];
    const { root, written } = await tree(
      [dir("d"), file("d/old"), dir("d/sub"), file("d/sub/old"), file("e")],
      [dir("d"), ...(isFirst ? [opaque, ...bring] : [...bring, opaque])],
    );
    assert.deepEqual(pathsOf(root), ["/d", "/d/sub", "/d/sub/new", "/e"]);
    assert.deepEqual(written, ["d/sub/new", "e"]);
  }
});

Deno.test("an opaque root hides all lower layers", async () => {
  const { root } = await tree([file("a")], [file(".wh..wh..opq"), file("b")]);
  assert.deepEqual(pathsOf(root), ["/b"]);
});

Deno.test("notes of aufs are no files", async () => {
  const { root } = await tree([
    dir(".wh..wh.plnk"),
    file(".wh..wh.aufs"),
    file("a"),
  ]);
  assert.deepEqual(pathsOf(root), ["/a"]);
});

Deno.test("folders of several layers are one, with the uppermost's owner", async () => {
  const { root } = await tree(
    [dir("d", { mode: 0o700, uid: 1 }), file("d/a")],
    [dir("d", { mode: 0o750, uid: 2 }), file("d/b")],
    [file("d/c")],
  );
  assert.deepEqual(linesOf(root), [
    "/d directory 750 2:0",
    '/d/a file 644 0:0 "d/a"',
    '/d/b file 644 0:0 "d/b"',
    '/d/c file 644 0:0 "d/c"',
  ]);
});

Deno.test("folders that no layer names are plain and root's", async () => {
  const { root } = await tree([file("a/b/c")]);
  assert.deepEqual(linesOf(root).slice(0, 2), [
    "/a directory 755 0:0",
    "/a/b directory 755 0:0",
  ]);
});

Deno.test("a file takes the place of a folder, and a folder that of a file", async () => {
  const { root, written } = await tree(
    [dir("d"), file("d/x", "lost"), file("f", "lost too")],
    [file("d", "file"), dir("f"), file("f/y", "in f")],
  );
  assert.deepEqual(linesOf(root), [
    '/d file 644 0:0 "file"',
    "/f directory 755 0:0",
    '/f/y file 644 0:0 "in f"',
  ]);
  assert.deepEqual(written, ["file", "in f"]);
});

Deno.test("a folder over a file over a folder does not bring the lowest back", async () => {
  const { root } = await tree(
    [dir("d"), file("d/lowest")],
    [file("d")],
    [dir("d"), file("d/top")],
  );
  assert.deepEqual(pathsOf(root), ["/d", "/d/top"]);
});

Deno.test("of several entries for one name in a layer the last counts", async () => {
  const { root } = await tree([
    file("a", "first"),
    file("a", "second"),
    file("b"),
    symlink("b", "a"),
  ]);
  assert.deepEqual(linesOf(root), [
    '/a file 644 0:0 "second"',
    "/b symlink 777 0:0 -> a",
  ]);
});

Deno.test("hard links are one file, within a layer and across layers", async () => {
  const { root } = await tree(
    [file("a"), link("b", "a"), symlink("s", "x"), link("t", "./s")],
    [link("c/d", "/a")],
  );
  assert.deepEqual(linesOf(root), [
    '/a file 644 0:0 "a"',
    "/b = /a",
    "/c directory 755 0:0",
    "/c/d = /a",
    "/s symlink 777 0:0 -> x",
    "/t = /s",
  ]);
});

Deno.test("a content that only a hard link still needs is fetched in a second reading", async () => {
  const { root, written, layersRead } = await tree(
    [file("a", "shared"), link("b", "a"), file("other", "once")],
    [file("a", "new")],
  );
  assert.deepEqual(linesOf(root), [
    '/a file 644 0:0 "new"',
    '/b file 644 0:0 "shared"',
    '/other file 644 0:0 "once"',
  ]);
  assert.deepEqual(written, ["new", "once", "shared"]);
  assert.deepEqual(layersRead, [2, 1, 1]);
});

Deno.test("a link to what a lower layer had keeps it, though an upper one hides its name", async () => {
  const { root } = await tree(
    [file("a", "shared")],
    [link("b", "a")],
    [file(".wh.a")],
  );
  assert.deepEqual(linesOf(root), ['/b file 644 0:0 "shared"']);
});

Deno.test("a path goes through the symbolic links of the image", async () => {
  const { root } = await tree(
    [dir("usr/lib"), symlink("lib", "usr/lib"), file("usr/lib/a", "old")],
    [file("lib/a", "new"), file("lib/.wh.gone"), file("lib/b")],
  );
  assert.deepEqual(linesOf(root), [
    "/lib symlink 777 0:0 -> usr/lib",
    "/usr directory 755 0:0",
    "/usr/lib directory 755 0:0",
    '/usr/lib/a file 644 0:0 "new"',
    '/usr/lib/b file 644 0:0 "lib/b"',
  ]);
});

Deno.test("a link to the host's files leads to the image's own", async () => {
  const { root } = await tree([
    symlink("abs", "/etc"),
    symlink("up", "../../../../../../etc"),
    file("abs/a"),
    file("up/b"),
  ]);
  assert.deepEqual(pathsOf(root), [
    "/abs",
    "/etc",
    "/etc/a",
    "/etc/b",
    "/up",
  ]);
});

Deno.test("an explicit folder takes the place of a symbolic link", async () => {
  const { root } = await tree(
    [dir("usr/lib"), symlink("lib", "usr/lib")],
    [dir("lib"), file("lib/a")],
  );
  assert.deepEqual(pathsOf(root), ["/lib", "/lib/a", "/usr", "/usr/lib"]);
});

Deno.test("texts are found through links, and read anew where they were passed over", async () => {
  const { texts } = await applied(
    [
      tar([file("etc/passwd", "plain"), symlink("etc/group", "/usr/group")]),
      tar([file("usr/group", "linked")]),
    ],
    { texts: ["etc/passwd", "etc/group", "etc/absent"] },
  );
  assert.deepEqual([...texts], [["etc/passwd", "plain"], [
    "etc/group",
    "linked",
  ]]);
});

Deno.test("of a text that comes several times in a layer the last is found", async () => {
  const { texts } = await applied(
    [tar([
      file("etc/passwd", "first"),
      link("kept", "etc/passwd"),
      file("etc/passwd", "second"),
      file("etc/passwd", "third"),
      symlink("etc/group", "../kept"),
    ])],
    { texts: ["etc/passwd", "etc/group"] },
  );
  assert.deepEqual([...texts], [
    ["etc/passwd", "third"],
    ["etc/group", "first"],
  ]);
});
