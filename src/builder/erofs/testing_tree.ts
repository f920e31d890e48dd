/**
 * A tree for the tests of the writer, with one of everything an image can
 * hold, and what a reader must then find, by path.
 *
 * @module
 */

import { once } from "../testing.ts";
import type { DirectoryNode, FsNode, Metadata } from "./tree.ts";
import type { ErofsData, ErofsWriter } from "./writer.ts";

export const BUILD_TIME = 1_700_000_000;

/** Needs a short inode only. */
const PLAIN: Metadata = { mode: 0o644, uid: 0, gid: 0, mtime: BUILD_TIME };

/** Bytes that are no zeros and repeat in no block. */
export function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0, state = size + 1; at < size; at++) {
    state = Math.imul(state, 48_271) + 11 >>> 0;
    bytes[at] = state >>> 24 | 1;
  }
  return bytes;
}

/** Noise at the start of each of the given chunks of 64 KiB, zeros elsewhere. */
export function sparse(size: number, chunks: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(size);
  for (const chunk of chunks) {
    const from = chunk * 65_536;
    bytes.set(noise(Math.min(5000, size - from)), from);
  }
  return bytes;
}

const CONTENTS: Readonly<Record<string, Uint8Array>> = {
  "empty": new Uint8Array(0),
  "small": noise(100),
  "block": noise(4096),
  "block and tail": noise(4106),
  "longest tail": noise(4032),
  "tail too long": noise(8192 + 4033),
  "chunk": noise(65_536),
  "large": noise(3 * 1024 * 1024 + 17),
  "holes": sparse(5 * 65_536 + 100, [1, 3, 5]),
  "ends in a hole": sparse(4 * 65_536 - 7, [0]),
  "zeros": new Uint8Array(1024 * 1024),
};

/** May bind to low ports; the kernel looks into this attribute. */
const CAPABILITY = new Uint8Array(20);
CAPABILITY.set([1, 0, 0, 2, 0, 4]);

/** For owner, group and others; the kernel looks into this one too. */
const ACL = Uint8Array.from([
  ...[2, 0, 0, 0],
  ...[0x01, 0, 7, 0, 0xff, 0xff, 0xff, 0xff],
  ...[0x04, 0, 5, 0, 0xff, 0xff, 0xff, 0xff],
  ...[0x20, 0, 5, 0, 0xff, 0xff, 0xff, 0xff],
]);

const XATTRS = new Map([
  ["user.long", noise(3000)],
  ["security.capability", CAPABILITY],
  ["trusted.overlay.opaque", new Uint8Array([0x79])],
]);

export interface SampleTree {
  readonly root: DirectoryNode<ErofsData>;
  readonly contents: ReadonlyMap<ErofsData, Uint8Array>;
}

export interface SampleOptions {
  /** Devices, which only root can take out of an image again. */
  readonly devices: boolean;
}

export async function writeSample(
  writer: ErofsWriter,
  { devices }: SampleOptions,
): Promise<SampleTree> {
  const contents = new Map<ErofsData, Uint8Array>();
  const file = async (content: Uint8Array, metadata = PLAIN) => {
    const data = await writer.writeData(once(content));
    contents.set(data, content);
    return { kind: "file", data, ...metadata } as const;
  };
  const files = new Map<string, FsNode<ErofsData>>();
  for (const [name, content] of Object.entries(CONTENTS)) {
    files.set(name, await file(content));
  }
  const twice = await file(noise(5000), { ...PLAIN, mode: 0o4755 });
  const many = new Map<string, FsNode<ErofsData>>([["again", twice]]);
  for (let index = 0; index < 3000; index++) {
    many.set(`entry ${index}`, await file(noise(index % 7)));
  }
  const root = directory({
    "files": directory(files),
    "many": directory(many),
    "once": twice,
    "empty folder": directory({}, { mode: 0o1777 }),
    "links": directory({
      "short": symlink("../once"),
      "inline": symlink(`/${"i".repeat(4031)}`),
      "long": symlink(`/${"l".repeat(4094)}`),
    }),
    "owners": directory({
      "large ids": await file(noise(1), { ...PLAIN, uid: 70_000, gid: 80_000 }),
      "nanoseconds": await file(noise(2), { ...PLAIN, mtimeNs: 123_456_789 }),
      "before 1970": await file(noise(3), { ...PLAIN, mtime: -100 }),
    }),
    "attributes": directory({
      "some": await file(noise(4), { ...PLAIN, xattrs: XATTRS }),
      "longer than a block": await file(noise(4000), {
        ...PLAIN,
        xattrs: new Map([["user.x", noise(9000)]]),
      }),
      "holes": await file(sparse(3 * 65_536, [1]), {
        ...PLAIN,
        xattrs: XATTRS,
      }),
    }, { xattrs: new Map([["system.posix_acl_default", ACL]]) }),
    "names": directory({
      "!sorts before the dot": await file(noise(5)),
      "\xc3\xa4\xff": await file(noise(6)),
      ["n".repeat(255)]: await file(noise(7)),
    }),
    "pipe": { ...PLAIN, kind: "fifo" },
    "socket": { ...PLAIN, kind: "socket" },
    ...(devices && {
      "null": { ...PLAIN, kind: "char", major: 1, minor: 3 },
      "disk": { ...PLAIN, kind: "block", major: 259, minor: 70_000 },
    }),
  });
  return { root, contents };
}

function directory(
  entries:
    | ReadonlyMap<string, FsNode<ErofsData>>
    | Readonly<Record<string, FsNode<ErofsData>>>,
  changes: Partial<Metadata> = {},
): DirectoryNode<ErofsData> {
  return {
    ...PLAIN,
    mode: 0o755,
    ...changes,
    kind: "directory",
    entries: entries instanceof Map ? entries : new Map(
      Object.entries(entries as Readonly<Record<string, FsNode<ErofsData>>>),
    ),
  };
}

function symlink(target: string): FsNode<ErofsData> {
  return { ...PLAIN, mode: 0o777, kind: "symlink", target };
}

/** Every path of a tree with its node; the root is "/". */
export function flatten(
  root: DirectoryNode<ErofsData>,
): Map<string, FsNode<ErofsData>> {
  const found = new Map<string, FsNode<ErofsData>>([["/", root]]);
  const visit = (path: string, node: DirectoryNode<ErofsData>): void => {
    for (const [name, child] of node.entries) {
      found.set(`${path}/${name}`, child);
      if (child.kind === "directory") visit(`${path}/${name}`, child);
    }
  };
  visit("", root);
  return found;
}
