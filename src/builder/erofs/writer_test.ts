import assert from "node:assert/strict";
import { Fault } from "../../lib/fault.ts";
import { once, tmpFolder } from "../testing.ts";
import { ErofsReader, type ReadInode } from "./testing_reader.ts";
import {
  BUILD_TIME,
  flatten,
  noise,
  type SampleTree,
  sparse,
  writeSample,
} from "./testing_tree.ts";
import type { DirectoryNode, FsNode } from "./tree.ts";
import { type ErofsData, ErofsWriter } from "./writer.ts";

const FINISH = {
  mtime: BUILD_TIME,
  uuid: new Uint8Array(16).fill(0x5a),
};
const PLAIN = { mode: 0o755, uid: 0, gid: 0, mtime: BUILD_TIME };

async function sampleImage(path: string): Promise<SampleTree> {
  await using writer = await ErofsWriter.open(path);
  const sample = await writeSample(writer, { devices: true });
  const { size } = await writer.finish(sample.root, FINISH);
  assert.equal(size, (await Deno.stat(path)).size);
  return sample;
}

/** An image of `entries` in the root, read back. */
async function imageOf(
  make: (writer: ErofsWriter) => Promise<Record<string, FsNode<ErofsData>>>,
): Promise<{ reader: ErofsReader; size: number }> {
  await using folder = await tmpFolder();
  const path = `${folder.path}/image`;
  await using writer = await ErofsWriter.open(path);
  const entries = new Map(Object.entries(await make(writer)));
  const root = { ...PLAIN, kind: "directory", entries } as const;
  const { size } = await writer.finish(root, FINISH);
  return { reader: new ErofsReader(await Deno.readFile(path)), size };
}

function rdev(node: FsNode<ErofsData>): number | undefined {
  if (node.kind !== "char" && node.kind !== "block") return undefined;
  const { major, minor } = node;
  return minor % 256 + major * 256 + Math.floor(minor / 256) * 2 ** 20;
}

function assertSame(
  path: string,
  node: FsNode<ErofsData>,
  inode: ReadInode | undefined,
): asserts inode is ReadInode {
  assert.ok(inode, path);
  const { mode, uid, gid, mtime } = node;
  assert.deepEqual(
    {
      kind: inode.kind,
      mode: inode.mode,
      uid: inode.uid,
      gid: inode.gid,
      mtime: inode.mtime,
      mtimeNs: inode.mtimeNs,
      xattrs: inode.xattrs,
    },
    {
      kind: node.kind,
      mode,
      uid,
      gid,
      mtime,
      mtimeNs: node.mtimeNs ?? 0,
      xattrs: node.xattrs ?? new Map(),
    },
    path,
  );
}

Deno.test("a reader finds everything as it was given", async () => {
  await using folder = await tmpFolder();
  const path = `${folder.path}/image`;
  const { root, contents } = await sampleImage(path);
  const reader = new ErofsReader(await Deno.readFile(path));
  const found = reader.walk();
  const expected = flatten(root);
  assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort());
  for (const [path, node] of expected) {
    const inode = found.get(path);
    assertSame(path, node, inode);
    if (node.kind === "file") {
      const content = contents.get(node.data) ?? new Uint8Array(0);
      assert.equal(inode.size, content.length, path);
      assert.ok(Buffer.from(reader.content(inode)).equals(content), path);
    }
    if (node.kind === "symlink") {
      const target = Buffer.from(reader.content(inode)).toString("latin1");
      assert.equal(target, node.target, path);
    }
    const number = rdev(node);
    if (number !== undefined) assert.equal(inode.value, number, path);
  }
  assert.equal(reader.inodes, new Set(expected.values()).size);
  assert.deepEqual(reader.features, { compat: 3, incompat: 4 });
});

Deno.test("links are counted, of files and of folders", async () => {
  await using folder = await tmpFolder();
  const { root } = await sampleImage(`${folder.path}/image`);
  const found = new ErofsReader(await Deno.readFile(`${folder.path}/image`))
    .walk();
  const folders = [...root.entries.values()]
    .filter((node) => node.kind === "directory").length;
  assert.equal(found.get("/")?.links, 2 + folders);
  assert.equal(found.get("/many")?.links, 2);
  assert.equal(found.get("/once")?.links, 2);
  assert.equal(found.get("/once")?.nid, found.get("/many/again")?.nid);
  assert.equal(found.get("/files/small")?.links, 1);
});

Deno.test("the same calls give the same bytes", async () => {
  await using folder = await tmpFolder();
  await sampleImage(`${folder.path}/a`);
  await sampleImage(`${folder.path}/b`);
  const [a, b] = await Promise.all(
    ["a", "b"].map((name) => Deno.readFile(`${folder.path}/${name}`)),
  );
  assert.ok(a && b && Buffer.from(a).equals(b));
  const left = [...Deno.readDirSync(folder.path)].map(({ name }) => name);
  assert.deepEqual(left.sort(), ["a", "b"]);
});

Deno.test("how a content is cut into pieces does not show", async () => {
  const content = sparse(1_500_001, [0, 1, 7, 22]);
  const images = await Promise.all(
    [1000, 65_536, 1_000_000].map((size) =>
      imageOf(async (writer) => {
        async function* pieces() {
          for (let at = 0; at < content.length; at += size) {
            yield await Promise.resolve(content.subarray(at, at + size));
          }
        }
        const data = await writer.writeData(pieces());
        return { file: { ...PLAIN, kind: "file", data } };
      })
    ),
  );
  for (const { reader, size } of images) {
    const file = reader.walk().get("/file");
    assert.ok(file && Buffer.from(reader.content(file)).equals(content));
    assert.equal(size, images[0]?.size);
  }
});

Deno.test("zeros take no room", async () => {
  const { size } = await imageOf(async (writer) => {
    async function* zeros() {
      const piece = new Uint8Array(1024 * 1024);
      for (let count = 0; count < 64; count++) {
        yield await Promise.resolve(piece);
      }
    }
    const data = await writer.writeData(zeros());
    assert.equal(data.size, 64 * 1024 * 1024);
    return { file: { ...PLAIN, kind: "file", data } };
  });
  assert.equal(size, 4 * 4096);
});

Deno.test("a small file lies behind its inode and needs no block", async () => {
  const { reader, size } = await imageOf(async (writer) => ({
    file: {
      ...PLAIN,
      kind: "file",
      data: await writer.writeData(once(noise(2000))),
    },
  }));
  const file = reader.walk().get("/file");
  assert.equal(file?.layout, 2);
  assert.equal(file?.extended, false);
  assert.equal(size, 2 * 4096);
});

Deno.test("a root alone is an image", async () => {
  const { reader } = await imageOf(() => Promise.resolve({}));
  assert.deepEqual([...reader.walk().keys()], ["/"]);
});

Deno.test("what an image cannot hold is refused, by its path", async () => {
  const symlink = (target: string) =>
    ({ ...PLAIN, kind: "symlink", target }) as const;
  const pipe = { ...PLAIN, kind: "fifo" } as const;
  const empty: DirectoryNode<ErofsData> = {
    ...PLAIN,
    kind: "directory",
    entries: new Map(),
  };
  const refused: [Record<string, FsNode<ErofsData>>, RegExp][] = [
    [{ ["n".repeat(256)]: pipe }, /nnn": a name has at most 255 bytes/],
    [{ "": pipe }, /"\/": this is no name/],
    [{ "..": pipe }, /"\/\.\.": this is no name/],
    [{ "a/b": pipe }, /"\/a\/b": this is no name/],
    [{ "a\0": pipe }, /what is no byte of a name/],
    [{ "\u4e2d": pipe }, /name "\u4e2d": it holds what is no byte/],
    [{ link: symlink("") }, /"\/link": .* 1 to 4095 bytes/],
    [{ link: symlink("x".repeat(4096)) }, /"\/link": .* 1 to 4095 bytes/],
    [{ a: empty, b: empty }, /"\/b": a folder stands in one place only/],
    [{ a: { ...pipe, uid: -1 } }, /"\/a": its user id is -1/],
  ];
  for (const [entries, reason] of refused) {
    await assert.rejects(
      imageOf(() => Promise.resolve(entries)),
      (error) =>
        error instanceof Fault && error.code === "invalid-image" &&
        reason.test(error.message),
      String(reason),
    );
  }
});

Deno.test("a content that breaks off leaves a writer that refuses to go on", async () => {
  await using folder = await tmpFolder();
  await using writer = await ErofsWriter.open(`${folder.path}/image`);
  async function* broken() {
    yield await Promise.resolve(noise(70_000));
    throw new Error("the layer ends early");
  }
  await assert.rejects(writer.writeData(broken()), /the layer ends early/);
  await assert.rejects(writer.writeData(once(noise(1))), /has failed/);
  const image = await Deno.readFile(`${folder.path}/image`);
  assert.ok(image.subarray(0, 4096).every((byte) => byte === 0));
});

Deno.test("a disk that is full is a fault, not a bug", async () => {
  await using writer = await ErofsWriter.open("/dev/full");
  const content = noise(3 * 1024 * 1024);
  await assert.rejects(
    async () => {
      const data = await writer.writeData(once(content));
      const file = { ...PLAIN, kind: "file", data } as const;
      const entries = new Map([["file", file]]);
      await writer.finish({ ...PLAIN, kind: "directory", entries }, FINISH);
    },
    (error) => error instanceof Fault && error.code === "disk-full",
  );
});

Deno.test("writing what describes a large tree can be broken off", async () => {
  await using tmp = await tmpFolder();
  const entries = new Map<string, FsNode<ErofsData>>(
    Array.from({ length: 10_000 }, (_, at) => [
      `${at}`,
      { ...PLAIN, kind: "fifo" },
    ]),
  );
  await using writer = await ErofsWriter.open(`${tmp.path}/image`);
  const signal = AbortSignal.abort(new Error("stopped"));
  await assert.rejects(
    writer.finish({ ...PLAIN, kind: "directory", entries }, {
      ...FINISH,
      signal,
    }),
    { message: "stopped" },
  );
});
