import assert from "node:assert/strict";
import { run } from "../lib/exec.ts";
import { Fault } from "../lib/fault.ts";
import type { Mapping } from "./fledge_toml.ts";
import { applyMappings } from "./mappings.ts";
import { type TmpFolder, tmpFolder } from "./testing.ts";
import { RootTree } from "./tree.ts";

function map(
  source: string,
  dst: string,
  rest: Partial<Mapping> = {},
): Mapping {
  return { source, dst, uid: 0, gid: 0, ...rest };
}

async function treeOf(
  folder: TmpFolder,
  ...mappings: Mapping[]
): Promise<RootTree> {
  const tree = new RootTree();
  const { signal } = new AbortController();
  await applyMappings(tree, mappings, { base: folder.path, signal });
  return tree;
}

function shape(tree: RootTree): Record<string, string> {
  return Object.fromEntries(
    tree.sorted().map(([path, entry]) => [
      path,
      entry.kind === "symlink"
        ? `-> ${entry.target}`
        : `${entry.kind} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid}`,
    ]),
  );
}

Deno.test("files and folders are mapped, modes by where they come to lie", async () => {
  await using folder = await tmpFolder();
  await folder.file("app", "x", 0o644);
  await folder.file("root/usr/bin/tool", "x", 0o644);
  await folder.file("root/etc/conf", "x", 0o600);
  await folder.file("root/srv/run.sh", "x", 0o755);
  const tree = await treeOf(
    folder,
    map("app", "/usr/local/bin/app"),
    map("root", "/"),
  );
  assert.deepEqual(shape(tree), {
    "/etc": "directory 755 0:0",
    "/etc/conf": "file 644 0:0",
    "/srv": "directory 755 0:0",
    "/srv/run.sh": "file 755 0:0",
    "/usr": "directory 755 0:0",
    "/usr/bin": "directory 755 0:0",
    "/usr/bin/tool": "file 755 0:0",
    "/usr/local": "directory 755 0:0",
    "/usr/local/bin": "directory 755 0:0",
    "/usr/local/bin/app": "file 755 0:0",
  });
});

Deno.test("mode and owner of a mapping are taken as given", async () => {
  await using folder = await tmpFolder();
  await folder.file("a", "x");
  await folder.file("d/b", "x");
  const tree = await treeOf(
    folder,
    map("a", "/a", { mode: 0o4711, uid: 1, gid: 2 }),
    map("d", "/d", { mode: 0o700, uid: 3, gid: 4 }),
  );
  assert.deepEqual(shape(tree), {
    "/a": "file 4711 1:2",
    "/d": "directory 700 3:4",
    "/d/b": "file 644 3:4",
  });
});

Deno.test("a place that ends in a slash is a folder the file goes into", async () => {
  await using folder = await tmpFolder();
  await folder.file("a", "x");
  const tree = await treeOf(folder, map("a", "/etc/"), map("a", "/"));
  assert.equal(tree.get("/etc/a")?.kind, "file");
  assert.equal(tree.get("/a")?.kind, "file");
});

Deno.test("a named link is followed, one inside a folder stays a link", async () => {
  await using folder = await tmpFolder();
  await folder.file("real", "x");
  await folder.file("d/file", "x");
  await Deno.symlink("real", `${folder.path}/link`);
  await Deno.symlink("/etc/shadow", `${folder.path}/d/outside`);
  await Deno.symlink("nowhere", `${folder.path}/d/dangling`);
  await Deno.symlink("..", `${folder.path}/d/up`);
  const tree = await treeOf(folder, map("link", "/link"), map("d", "/d"));
  assert.deepEqual(shape(tree), {
    "/d": "directory 755 0:0",
    "/d/dangling": "-> nowhere",
    "/d/file": "file 644 0:0",
    "/d/outside": "-> /etc/shadow",
    "/d/up": "-> ..",
    "/link": "file 644 0:0",
  });
});

Deno.test("a later mapping replaces a file, and cannot reach through a link", async () => {
  await using folder = await tmpFolder();
  await folder.file("one", "1");
  await folder.file("two", "22");
  await folder.file("d/x", "x");
  await Deno.symlink("/etc", `${folder.path}/d/escape`);
  const tree = await treeOf(folder, map("one", "/f"), map("two", "/f"));
  const entry = tree.get("/f");
  assert.ok(entry?.kind === "file" && !(entry.content instanceof Uint8Array));
  assert.equal(entry.content.size, 2);
  await assert.rejects(
    treeOf(folder, map("d", "/d"), map("one", "/d/escape/passwd")),
    /"\/d\/escape" is a symbolic link to "\/etc"/,
  );
});

Deno.test("what cannot be mapped is told by its name", async () => {
  await using folder = await tmpFolder();
  await folder.file("d/x", "x");
  using listener = Deno.listen({
    transport: "unix",
    path: `${folder.path}/d/socket`,
  });
  assert.ok(listener.addr);
  const cases: [mapping: Mapping, sentence: RegExp][] = [
    [map("nope", "/a"), /"[^"]*\/nope", which a mapping names: it does not ex/],
    [map("d/x/y", "/a"), /which a mapping names: /],
    [map("d", "/d"), /socket": it is a socket, a pipe or a device/],
    [map("d/x", "/../a"), /it contains '\.\.'/],
    [map("/dev/null", "/null"), /"\/dev\/null": it is a socket, a pipe or/],
  ];
  for (const [mapping, sentence] of cases) {
    await assert.rejects(treeOf(folder, mapping), (error) => {
      assert.ok(error instanceof Fault, String(error));
      assert.match(error.message, sentence);
      return true;
    });
  }
});

Deno.test("names and links that are not UTF-8 are told by their folder", async () => {
  await using folder = await tmpFolder();
  await folder.file("link/x", "x");
  await folder.file("name/x", "x");
  await folder.file("same/\ufffd", "x");
  await folder.file("plain/\ufffd", "x");
  const script = "ln -s $(printf 'x\\377') link/odd && " +
    ">name/$(printf 'y\\377') && >same/$(printf '\\377')";
  await run("/bin/sh", ["-c", script], {
    fault: "build-failed",
    cwd: folder.path,
  });
  const cases: [source: string, sentence: RegExp][] = [
    ["link", /link\/odd": it leads to a path that is not UTF-8/],
    ["name", /name\/y\ufffd": its name is not UTF-8/],
    ["same", /same\/\ufffd": its name is not UTF-8/],
  ];
  for (const [source, sentence] of cases) {
    await assert.rejects(treeOf(folder, map(source, "/d")), (error) => {
      assert.ok(error instanceof Fault, String(error));
      assert.match(error.message, sentence);
      return true;
    });
  }
  const tree = await treeOf(folder, map("plain", "/d"));
  assert.ok(tree.get("/d/\ufffd"));
});
