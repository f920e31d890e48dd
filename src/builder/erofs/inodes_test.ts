import assert from "node:assert/strict";
import { Fault } from "../../lib/fault.ts";
import { checkMetadata, encodeDevice, isExtended } from "./inodes.ts";

const PLAIN = { mode: 0o644, uid: 0, gid: 0, mtime: 7 };

function device(major: number, minor: number): number {
  return encodeDevice({ kind: "char", major, minor, ...PLAIN }, "/dev/x");
}

function isInvalidImage(error: unknown): boolean {
  return error instanceof Fault && error.code === "invalid-image";
}

Deno.test("a device's number is packed as the kernel packs it", () => {
  assert.equal(device(1, 3), 0x103);
  assert.equal(device(259, 0x1ff), 0x11_03ff);
  assert.equal(device(0xfff, 0xf_ffff), 0xffff_ffff);
  assert.throws(() => device(0x1000, 0), isInvalidImage);
  assert.throws(() => device(0, 0x10_0000), isInvalidImage);
});

Deno.test("the short inode is for what fits it and has the build's time", () => {
  const extended = (changes: Record<string, number>, size = 0, links = 1) =>
    isExtended({ metadata: { ...PLAIN, ...changes }, links, size }, 7);
  assert.equal(extended({}), false);
  assert.equal(extended({ uid: 0xffff, gid: 0xffff, mtimeNs: 0 }), false);
  assert.equal(extended({ mtime: 8 }), true);
  assert.equal(extended({ mtimeNs: 1 }), true);
  assert.equal(extended({ uid: 0x1_0000 }), true);
  assert.equal(extended({ gid: 0x1_0000 }), true);
  assert.equal(extended({}, 2 ** 32), true);
  assert.equal(extended({}, 2 ** 32 - 1, 0xffff), false);
  assert.equal(extended({}, 0, 0x1_0000), true);
});

Deno.test("numbers an inode cannot hold are refused with the file's name", () => {
  for (
    const wrong of [
      { mode: 0o10000 },
      { uid: -1 },
      { gid: 2 ** 32 },
      { mtime: 0.5 },
      { mtimeNs: 1e9 },
    ]
  ) {
    assert.throws(
      () => checkMetadata({ ...PLAIN, ...wrong }, "/a/b"),
      (error) => isInvalidImage(error) && /"\/a\/b"/.test(String(error)),
    );
  }
  checkMetadata({ ...PLAIN, mtime: -1, uid: 2 ** 32 - 1 }, "/a/b");
});
