import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import { type Entry, guestPath, RootTree } from "./tree.ts";

const FOLDER: Entry = { kind: "directory", mode: 0o755, uid: 0, gid: 0 };
const FILE: Entry = {
  kind: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  content: new Uint8Array(),
};

function link(target: string): Entry {
  return { kind: "symlink", mode: 0o777, uid: 0, gid: 0, target };
}

Deno.test("the folders above a file are made", () => {
  const tree = new RootTree();
  tree.put("/a/b/c", FILE);
  assert.deepEqual(tree.get("/a/b"), FOLDER);
  assert.equal(tree.size, 3);
});

Deno.test("entries are sorted by the bytes of their paths", () => {
  const tree = new RootTree();
  for (const path of ["/b", "/a/x", "/a-b", "/é", "/\u{1f600}", "/\uffee"]) {
    tree.put(path, FILE);
  }
  assert.deepEqual(
    tree.sorted().map(([path]) => path),
    ["/a", "/a-b", "/a/x", "/b", "/é", "/\uffee", "/\u{1f600}"],
  );
});

Deno.test("nothing is put below a symbolic link, and the hint says where it leads", () => {
  const tree = new RootTree();
  tree.put("/bin", link("usr/bin"));
  assert.throws(() => tree.put("/bin/sh", FILE), (error) => {
    assert.ok(error instanceof Fault);
    assert.match(error.message, /"\/bin" is a symbolic link to "usr\/bin"/);
    assert.equal(error.hint, 'Map to "/usr/bin/sh", where the link leads');
    return true;
  });
  assert.equal(tree.putIfFree("/bin/sh", FILE), false);
  assert.equal(tree.get("/usr/bin/sh"), undefined);
});

Deno.test("a file replaces a file, but never a folder, nor a folder a file", () => {
  const tree = new RootTree();
  tree.put("/a", FILE);
  tree.put("/a", link("b"));
  assert.equal(tree.get("/a")?.kind, "symlink");
  assert.throws(() => tree.put("/a", FOLDER), /a symlink is there already/);
  tree.put("/c", FOLDER);
  assert.throws(() => tree.put("/c", FILE), /a directory is there already/);
});

Deno.test("links are followed inside the tree alone", () => {
  const tree = new RootTree();
  tree.put("/lib", link("usr/lib"));
  tree.put("/usr/lib/x", link("../../../../etc/passwd"));
  tree.put("/abs", link("/lib/y"));
  assert.equal(tree.resolve("/lib/z"), "/usr/lib/z");
  assert.equal(tree.resolve("/lib/x"), "/etc/passwd");
  assert.equal(tree.resolve("/abs/../w"), "/usr/lib/w");
  tree.put("/loop", link("loop"));
  assert.throws(() => tree.resolve("/loop"), /go in circles/);
});

Deno.test("a path in the guest is absolute and climbs nowhere", () => {
  assert.equal(guestPath("//usr/./bin//app/"), "/usr/bin/app");
  assert.equal(guestPath("/"), "/");
  assert.equal(guestPath("/a/..b/c.."), "/a/..b/c..");
  for (const path of ["", "a", "../a", "/..", "/a/../b", "/a/..", "/a\0b"]) {
    assert.throws(() => guestPath(path), Fault, JSON.stringify(path));
  }
});

Deno.test("names longer than Linux allows are refused", () => {
  const tree = new RootTree();
  tree.put(`/${"n".repeat(255)}`, FILE);
  assert.throws(() => tree.put(`/${"n".repeat(256)}`, FILE), /longer than/);
  assert.throws(() => tree.put("/ab".repeat(2000), FILE), /longer than/);
});
