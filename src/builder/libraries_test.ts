/**
 * Libraries are looked for on a host made of small ELF files, written here
 * field by field; and once for real, for the program that runs the tests.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readElf } from "./elf.ts";
import { hostFileOf } from "./host_files.ts";
import { addLibraries, programsWithoutLoader } from "./libraries.ts";
import { type TmpFolder, tmpFolder } from "./testing.ts";
import { RootTree } from "./tree.ts";

interface ElfParts {
  readonly interpreter?: string;
  readonly needed?: readonly string[];
  readonly rpath?: string;
  readonly runpath?: string;
  readonly machine?: number;
}

const TAGS = { needed: 1, rpath: 15, runpath: 29 } as const;

/** A 64-bit ELF file with a dynamic section, loaded at its own offsets. */
function elf(parts: ElfParts): Uint8Array {
  let strings = "\0";
  const tags: [number, number][] = [];
  const addString = (text: string) => {
    const at = strings.length;
    strings += `${text}\0`;
    return at;
  };
  for (const name of parts.needed ?? []) {
    tags.push([TAGS.needed, addString(name)]);
  }
  for (const key of ["rpath", "runpath"] as const) {
    const value = parts[key];
    if (value !== undefined) tags.push([TAGS[key], addString(value)]);
  }
  const interpreter = addString(parts.interpreter ?? "");
  const stringsAt = 64 + 3 * 56;
  const dynamicAt = stringsAt + strings.length;
  tags.push([5, stringsAt], [0, 0]);
  const bytes = new Uint8Array(dynamicAt + tags.length * 16);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true);
  view.setUint16(18, parts.machine ?? 62, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 3, true);
  const segment = (index: number, type: number, at: number, size: number) => {
    const base = 64 + index * 56;
    view.setUint32(base, type, true);
    view.setBigUint64(base + 8, BigInt(at), true);
    view.setBigUint64(base + 16, BigInt(at), true);
    view.setBigUint64(base + 32, BigInt(size), true);
  };
  segment(0, 1, 0, bytes.length);
  segment(1, 2, dynamicAt, tags.length * 16);
  if (parts.interpreter !== undefined) {
    segment(2, 3, stringsAt + interpreter, parts.interpreter.length + 1);
  }
  bytes.set(new TextEncoder().encode(strings), stringsAt);
  tags.forEach(([tag, value], index) => {
    view.setBigUint64(dynamicAt + index * 16, BigInt(tag), true);
    view.setBigUint64(dynamicAt + index * 16 + 8, BigInt(value), true);
  });
  return bytes;
}

const LOADER = "/lib64/ld-linux-x86-64.so.2";

async function hostWith(
  folder: TmpFolder,
  files: Readonly<Record<string, ElfParts | string>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const full = await folder.file(path.slice(1), "");
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : elf(content);
    await Deno.writeFile(full, bytes);
  }
}

async function treeWith(folder: TmpFolder, path: string): Promise<RootTree> {
  const tree = new RootTree();
  const host = `${folder.path}${path}`;
  tree.put(path, {
    kind: "file",
    mode: 0o755,
    uid: 0,
    gid: 0,
    content: hostFileOf(host, await Deno.stat(host)),
  });
  return tree;
}

function add(tree: RootTree, folder: TmpFolder): Promise<string[]> {
  const { signal } = new AbortController();
  return addLibraries(tree, { hostRoot: folder.path, signal });
}

Deno.test("loader and libraries come along, those of libraries too", async () => {
  await using folder = await tmpFolder();
  await hostWith(folder, {
    "/bin/app": { interpreter: LOADER, needed: ["liba.so.1", "libc.so.6"] },
    [LOADER]: {},
    "/lib/x86_64-linux-gnu/liba.so.1": { needed: ["libb.so"] },
    "/usr/lib/libb.so": { needed: ["libc.so.6", "ld-linux-x86-64.so.2"] },
    "/lib/x86_64-linux-gnu/libc.so.6": { needed: ["ld-linux-x86-64.so.2"] },
  });
  const tree = await treeWith(folder, "/bin/app");
  assert.deepEqual((await add(tree, folder)).sort(), [
    "/lib/x86_64-linux-gnu/liba.so.1",
    "/lib/x86_64-linux-gnu/libc.so.6",
    LOADER,
    "/usr/lib/libb.so",
  ]);
  assert.deepEqual(await programsWithoutLoader(tree), []);
  assert.deepEqual(await add(tree, folder), [], "nothing is added twice");
});

Deno.test("RUNPATH and RPATH are followed, with $ORIGIN as the guest sees it", async () => {
  await using folder = await tmpFolder();
  await hostWith(folder, {
    "/opt/app/bin/app": {
      interpreter: LOADER,
      needed: ["libown.so"],
      runpath: "/nowhere:$ORIGIN/../lib",
    },
    "/opt/app/lib/libown.so": { needed: ["libdeep.so"], rpath: "${ORIGIN}/x" },
    "/opt/app/lib/x/libdeep.so": { needed: ["libdeeper.so"] },
    "/opt/app/lib/x/libdeeper.so": {},
    "/usr/lib/libown.so": {},
    [LOADER]: {},
  });
  const tree = await treeWith(folder, "/opt/app/bin/app");
  assert.deepEqual((await add(tree, folder)).sort(), [
    LOADER,
    "/opt/app/lib/libown.so",
    "/opt/app/lib/x/libdeep.so",
    "/opt/app/lib/x/libdeeper.so",
  ]);
});

Deno.test("a library that only ld.so.conf finds goes beside libc", async () => {
  await using folder = await tmpFolder();
  await hostWith(folder, {
    "/bin/app": { interpreter: LOADER, needed: ["libc.so.6", "libz.so"] },
    [LOADER]: {},
    "/lib/x86_64-linux-gnu/libc.so.6": {},
    "/opt/libs/libz.so": {},
    "/etc/ld.so.conf": "include ld.so.conf.d/*.conf # more\n",
    "/etc/ld.so.conf.d/libs.conf": "# ours\n/opt/libs/\n",
  });
  const tree = await treeWith(folder, "/bin/app");
  await add(tree, folder);
  assert.equal(tree.get("/lib/x86_64-linux-gnu/libz.so")?.kind, "file");
});

Deno.test("a library of another machine is passed over", async () => {
  await using folder = await tmpFolder();
  await hostWith(folder, {
    "/bin/app": { interpreter: LOADER, needed: ["libx.so"] },
    [LOADER]: {},
    "/lib/x86_64-linux-gnu/libx.so": { machine: 183 },
    "/usr/lib/libx.so": {},
  });
  const tree = await treeWith(folder, "/bin/app");
  assert.deepEqual(await add(tree, folder), [LOADER, "/usr/lib/libx.so"]);
});

Deno.test("libraries go where the tree's own links lead", async () => {
  await using folder = await tmpFolder();
  await hostWith(folder, {
    "/bin/app": { interpreter: LOADER, needed: [] },
    [LOADER]: {},
  });
  const tree = await treeWith(folder, "/bin/app");
  tree.put("/lib64", {
    kind: "symlink",
    mode: 0o777,
    uid: 0,
    gid: 0,
    target: "usr/lib64",
  });
  assert.deepEqual(await add(tree, folder), [
    "/usr/lib64/ld-linux-x86-64.so.2",
  ]);
});

Deno.test("musl's libc is its loader", async () => {
  await using folder = await tmpFolder();
  const loader = "/lib/ld-musl-x86_64.so.1";
  await hostWith(folder, {
    "/bin/app": { interpreter: loader, needed: ["libc.musl-x86_64.so.1"] },
    [loader]: {},
  });
  const tree = await treeWith(folder, "/bin/app");
  assert.deepEqual(await add(tree, folder), [loader]);
});

Deno.test("a library that is nowhere is told, with who needs it", async () => {
  await using folder = await tmpFolder();
  await hostWith(folder, {
    "/bin/app": { interpreter: LOADER, needed: ["libnope.so"] },
    [LOADER]: {},
  });
  const tree = await treeWith(folder, "/bin/app");
  assert.deepEqual(await programsWithoutLoader(tree), ["/bin/app"]);
  await assert.rejects(
    add(tree, folder),
    /the library "libnope\.so", which "\/bin\/app" needs/,
  );
});

Deno.test("no file makes the reader of ELF fail, whatever its numbers are", async () => {
  const whole = elf({ interpreter: LOADER, needed: ["a"], runpath: "b:c" });
  const read = (bytes: Uint8Array) =>
    readElf((offset, length) =>
      Promise.resolve(bytes.subarray(offset, offset + length))
    );
  assert.deepEqual((await read(whole))?.needed, ["a"]);
  assert.deepEqual((await read(whole))?.runpath, ["b", "c"]);
  for (let length = 0; length < whole.length; length += 1) {
    await read(whole.subarray(0, length));
  }
  for (let at = 16; at < whole.length; at += 1) {
    const broken = whole.slice();
    broken.fill(0xff, at, at + 8);
    await read(broken);
  }
});

Deno.test("the libraries of a real program are found", async () => {
  const tree = new RootTree();
  const path = Deno.execPath();
  tree.put("/bin/deno", {
    kind: "file",
    mode: 0o755,
    uid: 0,
    gid: 0,
    content: hostFileOf(path, await Deno.stat(path)),
  });
  const { signal } = new AbortController();
  const added = await addLibraries(tree, { hostRoot: "/", signal });
  assert.ok(added.some((each) => each.endsWith("/libc.so.6")), String(added));
  assert.ok(added.some((each) => /\/ld-linux-.*\.so\./.test(each)));
  assert.deepEqual(await programsWithoutLoader(tree), []);
});
