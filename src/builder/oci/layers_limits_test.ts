import assert from "node:assert/strict";
import { tar, type TarFile } from "../../../tests/harness/tar.ts";
import { dir, file, link, symlink } from "../../../tests/harness/tar_files.ts";
import { LayerTree } from "./layer_tree.ts";
import { Budget, LIMITS } from "./limits.ts";
import { applied, pathsOf } from "./testing.ts";

/** The tree of layers given as lists of files, the lowest first. */
async function tree(...layers: readonly (readonly TarFile[])[]) {
  return await applied(layers.map((files) => tar(files)));
}

Deno.test("texts are read up to a limit, however often their path comes", async () => {
  const many = Array.from(
    { length: 5 },
    () => file("etc/passwd", "x".repeat(30)),
  );
  const options = {
    texts: ["etc/passwd"],
    limits: { ...LIMITS, textBytes: 100 },
  };
  await assert.rejects(applied([tar(many)], options), {
    code: "invalid-image",
    message: /more than 100 bytes of lists of users/,
  });
  assert.equal((await applied([tar(many.slice(2))], options)).texts.size, 1);
});

Deno.test("parts of a link's target that lead nowhere cost no steps", async () => {
  const { root } = await applied([tar([
    dir("d"),
    symlink("s", "/.".repeat(1000) + "/d//"),
    ...Array.from({ length: 50 }, (_, at) => file(`s/${at}`)),
  ])], { limits: { ...LIMITS, steps: 300 } });
  assert.equal(pathsOf(root).length, 52);
});

Deno.test("a long target costs steps even where its first name is not there", async () => {
  const limits = { ...LIMITS, steps: 300 };
  const files = [symlink("s", "gone/" + "a/".repeat(400)), link("b", "s/x")];
  await assert.rejects(applied([tar(files)], { limits }), {
    message: /steps on paths/,
  });
});

Deno.test("what a hostile layer holds is refused with the reason", async () => {
  const long = "x".repeat(256);
  const cases: readonly (readonly [TarFile[], RegExp])[] = [
    [[file("../a")], /path "\.\.\/a": it contains '\.\.'/],
    [[file("a/../../b")], /it contains '\.\.'/],
    [[file(long)], /longer than Linux allows/],
    [[file("d/".repeat(300) + "f")], /goes deeper than 256 folders/],
    [[{ ...file("a"), pax: [["path", "a\0b"]] }], /contains a NUL byte/],
    [[symlink("a", "b"), symlink("b", "a"), file("a/x")], /go in circles/],
    [[symlink("a", "")], /"a" leads nowhere/],
    [[link("a", "b")], /hard link to "b", which is not there/],
    [[file("c"), link("a", "b/c")], /hard link to "b\/c", which is not there/],
    [[dir("b"), link("a", "b")], /which is a folder/],
    [[link("a", "../b")], /it contains '\.\.'/],
    [[file(".wh.")], /hides nothing/],
    [[file(".wh...")], /hides nothing/],
    [[{ name: "." }], /its root is no folder/],
    [[{ name: "a", type: "3", major: 4096 }], /numbers Linux has not/],
    [[{ ...file("a"), pax: [["uid", "4294967295"]] }], /belongs to user/],
  ];
  for (const [files, message] of cases) {
    await assert.rejects(tree(files), { code: "invalid-image", message });
  }
  await assert.rejects(tree(cases[0]?.[0] ?? []), {
    message: /^Cannot read layer 1 of image "test": /,
  });
});

Deno.test("what would take too much memory or disk is refused", async () => {
  const cases = [
    [{ ...LIMITS, entries: 3 }, [file("a/b/c/d")], /files and folders/],
    [{ ...LIMITS, entries: 3 }, "abcd".split("").map((n) => file(n)), /files/],
    [{ ...LIMITS, contentBytes: 4000 }, [file("a", "x".repeat(5000))], /bytes/],
    [{ ...LIMITS, nameBytes: 20 }, [file("a".repeat(21))], /bytes of names/],
    [
      { ...LIMITS, xattrBytes: 100 },
      [{ ...file("a"), xattrs: { "user.a": new Uint8Array(100) } }],
      /extended attributes/,
    ],
    [
      { ...LIMITS, xattrBytes: 1000 },
      [{
        ...file("a"),
        pax: Array.from(
          "abcdef",
          (each) => [`SCHILY.xattr.user.${each}`, ""] as const,
        ),
      }],
      /extended attributes/,
    ],
    [{ ...LIMITS, steps: 3 }, [file("a/b/c"), file("a/b/d")], /steps on paths/],
  ] as const;
  for (const [limits, files, message] of cases) {
    await assert.rejects(applied([tar(files)], { limits }), {
      code: "invalid-image",
      message,
    });
  }
});

Deno.test("links that make ever deeper folders of each other are refused", async () => {
  const deep = "d/".repeat(100);
  await assert.rejects(
    tree([
      symlink("a", deep),
      symlink(`a/b`, deep),
      symlink(`a/b/c`, deep),
      file("a/b/c/f"),
    ]),
    { code: "invalid-image", message: /deeper than 256 folders/ },
  );
});

Deno.test("attributes of one file that no file can have together are refused", async () => {
  const big = new Uint8Array(60_000).fill(120);
  const names = Array.from("abcde", (each) => `user.${each}`);
  const xattrs = Object.fromEntries(names.map((name) => [name, big]));
  await assert.rejects(tree([{ ...file("a"), xattrs }]), {
    code: "invalid-image",
    message: /attributes of one file/,
  });
});

Deno.test("folders count once, whether a record names them or not", async () => {
  const limits = { ...LIMITS, entries: 3 };
  const named = [dir("a"), dir("a/b"), file("a/b/c")];
  assert.equal(
    pathsOf((await applied([tar(named)], { limits })).root).length,
    3,
  );
  const implied = [file("a/b/c")];
  assert.equal(
    pathsOf((await applied([tar(implied)], { limits })).root).length,
    3,
  );
});

Deno.test("putting a large layer into the tree lets others run, and can be broken off", async () => {
  const { signal, abort } = stopping();
  const records = Array.from({ length: 50_000 }, (_, at) => ({
    kind: "whiteout",
    path: `${at}`,
  } as const));
  const tree = new LayerTree<string>(new Budget(LIMITS));
  setTimeout(abort, 0);
  await assert.rejects(tree.apply(records, signal), { message: "stopped" });
});

function stopping() {
  const controller = new AbortController();
  const abort = () => controller.abort(new Error("stopped"));
  return { signal: controller.signal, abort };
}

Deno.test("a conversion can be broken off", async () => {
  const abort = new AbortController();
  abort.abort(new Error("stopped"));
  await assert.rejects(applied([tar([file("a")])], { signal: abort.signal }), {
    message: "stopped",
  });
});
