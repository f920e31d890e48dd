import assert from "node:assert/strict";
import {
  bytesOf,
  paxRecord,
  tar,
  type TarFile,
  tarParts,
} from "../../tests/harness/tar.ts";
import { collect, once } from "../builder/testing.ts";
import { ByteSource } from "./byte_source.ts";
import { type TarEntry, TarReader } from "./tar_reader.ts";

interface ReadFile extends TarEntry {
  readonly text: string;
}

async function read(bytes: Uint8Array): Promise<ReadFile[]> {
  const reader = new TarReader(new ByteSource(once(bytes)));
  const files: ReadFile[] = [];
  for (;;) {
    const entry = await reader.next();
    if (entry === undefined) return files;
    const content = await collect(entry.content());
    const text = String.fromCharCode(...content);
    files.push({ ...entry, text });
  }
}

const namesAndTexts = (files: readonly ReadFile[]) =>
  files.map(({ name, text }) => [name, text]);

function sparseHeader(
  pairs: readonly (readonly [number, number])[],
  size: number,
  isContinued = false,
): (block: Uint8Array) => void {
  return (block) => {
    const octal = (value: number) => value.toString(8).padStart(11, "0");
    for (const [index, [offset, length]] of pairs.entries()) {
      const at = (isContinued && pairs.length > 4 ? 0 : 386) + index * 24;
      block.set(bytesOf(`${octal(offset)}\0${octal(length)}\0`), at);
    }
    block[482] = isContinued ? 1 : 0;
    block.set(bytesOf(`${octal(size)}\0`), 483);
  };
}

Deno.test("files of a plain archive come in order, read or not", async () => {
  const bytes = tar([
    { name: "a", content: "x".repeat(513) },
    { name: "b" },
    { name: "c", content: "end" },
  ]);
  assert.deepEqual(namesAndTexts(await read(bytes)), [
    ["a", "x".repeat(513)],
    ["b", ""],
    ["c", "end"],
  ]);
  const reader = new TarReader(new ByteSource(once(bytes)));
  await reader.next();
  await reader.next();
  assert.equal((await reader.next())?.name, "c");
});

Deno.test("an archive without the blocks of its end is whole", async () => {
  const bytes = tar([{ name: "a", content: "x" }]).subarray(0, 1024);
  assert.deepEqual(namesAndTexts(await read(bytes)), [["a", "x"]]);
});

Deno.test("long names: ustar's prefix, GNU's blocks, PAX records", async () => {
  const long = `${"d/".repeat(80)}f`;
  const files = await read(tar([
    { name: "f", patch: (block) => block.set(bytesOf("some/folder"), 345) },
    { name: "@", type: "L", content: `${long}\0` },
    { name: "@", type: "K", content: `${long}2\0` },
    { name: "cut", type: "2", linkName: "cut" },
    { name: long, content: "pax" },
    { name: "old", magic: "old", patch: (block) => block[345] = 65 },
  ]));
  assert.deepEqual(files.map(({ name, linkName }) => [name, linkName]), [
    ["some/folder/f", ""],
    [long, `${long}2`],
    [long, ""],
    ["old", ""],
  ]);
});

Deno.test("names that are no UTF-8 come out byte for byte", async () => {
  const name = "caf\xe9-\xff";
  const files = await read(tar([
    { name },
    { name: "x", pax: [["path", name]] },
  ]));
  assert.deepEqual(files.map((file) => file.name), [name, name]);
});

Deno.test("PAX records overrule the header, for one file only", async () => {
  const [a, b] = await read(tar([
    {
      name: "a",
      content: "12345",
      size: 0,
      pax: [
        ["path", "real"],
        ["size", "5"],
        ["uid", "3000000000"],
        ["gid", "7"],
        ["mtime", "12.25"],
      ],
    },
    { name: "b" },
  ]));
  assert.deepEqual(
    [a?.name, a?.text, a?.uid, a?.gid, a?.mtime, a?.mtimeNs],
    ["real", "12345", 3_000_000_000, 7, 12, 250_000_000],
  );
  assert.deepEqual([b?.name, b?.uid, b?.mtime], ["b", 0, 0]);
});

Deno.test("PAX headers of the whole archive are passed over", async () => {
  const files = await read(tar([
    { name: "g", type: "g", content: paxRecord("comment", "commit") },
    { name: "a", content: "x" },
  ]));
  assert.deepEqual(namesAndTexts(files), [["a", "x"]]);
});

Deno.test("numbers beyond octal digits are read in base 256", async () => {
  const [file] = await read(tar([{
    name: "a",
    patch: (block) => {
      block.set([0x80, 0, 0, 0, 0xb2, 0xd0, 0x5e, 0x00], 108);
      block.set([0xff, ...new Array(10).fill(0xff), 0xfe], 136);
    },
  }]));
  assert.deepEqual([file?.uid, file?.mtime], [3_000_000_000, -2]);
});

Deno.test("old archives mark folders with a slash", async () => {
  const [folder] = await read(tar([
    { name: "d/", type: "\0", magic: "old" },
  ]));
  assert.equal(folder?.kind, "directory");
});

Deno.test("sparse files of GNU's header are filled", async () => {
  const files = await read(tar([
    {
      name: "a",
      type: "S",
      magic: "gnu",
      content: "onetwo",
      patch: sparseHeader([[2, 3], [8, 3]], 12),
    },
    { name: "b", content: "after" },
  ]));
  assert.deepEqual(namesAndTexts(files), [
    ["a", "\0\0one\0\0\0two\0"],
    ["b", "after"],
  ]);
  assert.deepEqual([files[0]?.size, files[0]?.holes], [12, 6]);
});

Deno.test("a sparse map goes on in further blocks", async () => {
  const block = new Uint8Array(512);
  sparseHeader([[10, 1]], 0)(block);
  const more = new Uint8Array(512);
  more.set(block.subarray(386, 410), 0);
  const first = [...tarParts({
    name: "a",
    type: "S",
    magic: "gnu",
    size: 5,
    patch: sparseHeader([[0, 1], [2, 1], [4, 1], [6, 1]], 12, true),
  })];
  const content = new Uint8Array(512);
  content.set(bytesOf("abcde"));
  const bytes = new Uint8Array(4 * 512);
  let at = 0;
  for (const part of [...first, more, content]) {
    bytes.set(part, at);
    at += part.length;
  }
  assert.deepEqual(namesAndTexts(await read(bytes)), [
    ["a", "a\0b\0c\0d\0\0\0e\0"],
  ]);
});

Deno.test("sparse files of the three PAX forms are filled", async () => {
  const map = "2\n2\n3\n8\n3\n".padEnd(512, "\0");
  const files = await read(tar([
    {
      name: "a",
      content: "onetwo",
      pax: [
        ["GNU.sparse.size", "12"],
        ["GNU.sparse.numblocks", "2"],
        ["GNU.sparse.offset", "2"],
        ["GNU.sparse.numbytes", "3"],
        ["GNU.sparse.offset", "8"],
        ["GNU.sparse.numbytes", "3"],
      ],
    },
    {
      name: "GNUSparseFile.0/b",
      content: "onetwo",
      pax: [
        ["GNU.sparse.size", "12"],
        ["GNU.sparse.name", "b"],
        ["GNU.sparse.map", "2,3,8,3"],
      ],
    },
    {
      name: "GNUSparseFile.0/c",
      content: `${map}onetwo`,
      pax: [
        ["GNU.sparse.major", "1"],
        ["GNU.sparse.minor", "0"],
        ["GNU.sparse.name", "c"],
        ["GNU.sparse.realsize", "12"],
      ],
    },
    { name: "d", content: "after" },
  ]));
  const whole = "\0\0one\0\0\0two\0";
  assert.deepEqual(namesAndTexts(files), [
    ["a", whole],
    ["b", whole],
    ["c", whole],
    ["d", "after"],
  ]);
});

Deno.test("an archive without an end of its own is read, as container tools read it", async () => {
  const bytes = tar([
    { name: "a", content: "one" },
    { name: "b", content: "x".repeat(700) },
  ]);
  // Up to the last byte of the last file: no padding, no zeroes.
  const files = await read(bytes.subarray(0, 512 + 512 + 512 + 700));
  assert.deepEqual(namesAndTexts(files), [["a", "one"], [
    "b",
    "x".repeat(700),
  ]]);
});

Deno.test("an archive that ends too early is refused, wherever it is cut", async () => {
  const bytes = tar([
    { name: "a", content: "x".repeat(1500), pax: [["mtime", "1"]] },
  ]);
  // From within the first header on to within the content.
  for (const length of [100, 700, 1024 + 100, 1536 + 700]) {
    await assert.rejects(read(bytes.subarray(0, length)), {
      message: /ends in the middle/,
    });
  }
});

Deno.test("a damaged or unknown archive is refused with the reason", async () => {
  const cases: readonly (readonly [TarFile, RegExp])[] = [
    [{ name: "a", type: "M" }, /unknown type "M"/],
    [
      { name: "a", patch: (block) => block.set(bytesOf("12x45678"), 108) },
      /a number that is none/,
    ],
    [
      {
        name: "a",
        patch: (block) => block.fill(0x7f, 124, 136).set([0x90], 124),
      },
      /beyond all bounds/,
    ],
    [{ name: "x", type: "x", content: "99 a=b\n" }, /PAX header is malformed/],
    [{ name: "x", type: "x", content: "5 ab\n" }, /PAX header is malformed/],
    [{ name: "a", pax: [["size", "1e9"]] }, /"1e9" for size/],
    [{ name: "a", pax: [["mtime", "today"]] }, /"today" for mtime/],
    [
      { name: "a", xattrs: { "user.a": new Uint8Array(65_536) } },
      /longer than Linux allows/,
    ],
    [
      { name: "x", type: "x", content: "a".repeat(1024 * 1024 + 1) },
      /take more than 1048576 bytes/,
    ],
    [
      { name: "a", pax: [["GNU.sparse.size", "4"], ["GNU.sparse.map", "2,3"]] },
      /map of a sparse file is malformed/,
    ],
    [
      {
        name: "a",
        type: "S",
        patch: sparseHeader([[5, 3], [2, 1]], 12),
      },
      /map of a sparse file is malformed/,
    ],
    [
      {
        name: "a",
        content: `${100_001}\n`.padEnd(512, "\0"),
        pax: [["GNU.sparse.major", "1"], ["GNU.sparse.realsize", "1"]],
      },
      /more than 100000 parts/,
    ],
  ];
  for (const [file, message] of cases) {
    await assert.rejects(read(tar([file])), { message });
  }
  const broken = tar([{ name: "a" }]);
  broken[0] = 66;
  await assert.rejects(read(broken), { message: /no tar archive/ });
});

Deno.test("headers that only announce others are not read without end", async () => {
  const files: TarFile[] = new Array(17).fill({
    name: "x",
    type: "x",
    content: paxRecord("mtime", "1"),
  });
  await assert.rejects(read(tar([...files, { name: "a" }])), {
    message: /more headers than any program writes/,
  });
});
