/**
 * Reads an EROFS image for the tests of the writer: written from the format
 * alone and sharing no number with the writer, so that a mistake there is not
 * made here again. Checks what the kernel would trip over; a wrong image throws.
 *
 * @module
 */

import assert from "node:assert/strict";

const BLOCK = 4096;
const CHUNK_HOLE = 0xffff_ffff;
const KINDS: Readonly<Record<number, string>> = {
  1: "fifo",
  2: "char",
  4: "directory",
  6: "block",
  8: "file",
  10: "symlink",
  12: "socket",
};
const DIRENT_KINDS = [
  "",
  "file",
  "directory",
  "char",
  "block",
  "fifo",
  "socket",
  "symlink",
];
const XATTR_PREFIXES = [
  "",
  "user.",
  "system.posix_acl_access",
  "system.posix_acl_default",
  "trusted.",
  "",
  "security.",
];

export interface ReadInode {
  readonly nid: number;
  readonly kind: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly links: number;
  readonly size: number;
  readonly extended: boolean;
  readonly layout: number;
  /** Block address, device number or chunk format. */
  readonly value: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Where the tail or the chunk index begins. */
  readonly end: number;
}

export class ErofsReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #base: number;
  readonly rootNid: number;
  readonly inodes: number;
  readonly blocks: number;
  readonly buildTime: number;
  readonly features: { readonly compat: number; readonly incompat: number };

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const at = (offset: number) => this.#view.getUint32(1024 + offset, true);
    assert.equal(at(0), 0xe0f5e1e2, "magic");
    assert.equal(bytes[1024 + 12], 12, "block size");
    this.rootNid = this.#view.getUint16(1024 + 14, true);
    this.inodes = at(16);
    this.buildTime = at(24);
    this.blocks = at(36);
    this.#base = at(40) * BLOCK;
    this.features = { compat: at(8), incompat: at(80) };
    assert.equal(this.blocks * BLOCK, bytes.length, "blocks");
  }

  /** Every name with its inode, by path; the root is "/". */
  walk(): Map<string, ReadInode> {
    const found = new Map<string, ReadInode>();
    const visit = (path: string, nid: number, parent: number): void => {
      const inode = this.inode(nid);
      found.set(path === "" ? "/" : path, inode);
      if (inode.kind !== "directory") return;
      const entries = this.entries(inode);
      assert.equal(entries.get(".")?.nid, nid);
      assert.equal(entries.get("..")?.nid, parent);
      for (const [name, entry] of entries) {
        if (name === "." || name === "..") continue;
        visit(`${path}/${name}`, entry.nid, nid);
        assert.equal(entry.kind, found.get(`${path}/${name}`)?.kind);
      }
    };
    visit("", this.rootNid, this.rootNid);
    return found;
  }

  inode(nid: number): ReadInode {
    assert.ok(nid > 0);
    const at = this.#base + nid * 32;
    const u16 = (offset: number) => this.#view.getUint16(at + offset, true);
    const u32 = (offset: number) => this.#view.getUint32(at + offset, true);
    const u64 = (offset: number) =>
      Number(this.#view.getBigInt64(at + offset, true));
    const extended = (u16(0) & 1) === 1;
    const xattrAt = at + (extended ? 64 : 32);
    const words = u16(2);
    const xattrBytes = words === 0 ? 0 : 12 + (words - 1) * 4;
    assert.notEqual(words, 1, "an empty list of attributes");
    return {
      nid,
      kind: KINDS[u16(4) >> 12] ?? "unknown",
      mode: u16(4) & 0o7777,
      layout: u16(0) >> 1,
      value: u32(16),
      extended,
      links: extended ? u32(44) : u16(6),
      size: extended ? u64(8) : u32(8),
      uid: extended ? u32(24) : u16(24),
      gid: extended ? u32(28) : u16(26),
      mtime: extended ? u64(32) : this.buildTime,
      mtimeNs: extended ? u32(40) : 0,
      xattrs: this.#xattrs(xattrAt, xattrBytes),
      end: xattrAt + xattrBytes,
    };
  }

  content(inode: ReadInode): Uint8Array {
    const content = new Uint8Array(inode.size);
    if (inode.layout === 4) {
      this.#readChunks(inode, content);
      return content;
    }
    const tail = inode.layout === 2 ? (inode.size - 1) % BLOCK + 1 : 0;
    const plain = inode.size - tail;
    const from = inode.value * BLOCK;
    content.set(this.#bytes.subarray(from, from + plain));
    content.set(this.#bytes.subarray(inode.end, inode.end + tail), plain);
    if (tail > 0) {
      const blocks = [inode.end, inode.end + tail - 1].map((byte) =>
        Math.floor(byte / BLOCK)
      );
      assert.equal(blocks[0], blocks[1], "a tail crosses a block's boundary");
    }
    return content;
  }

  /** Names are binary strings, in the order they lie in. */
  entries(
    directory: ReadInode,
  ): Map<string, { readonly nid: number; readonly kind: string }> {
    const found = new Map<string, { nid: number; kind: string }>();
    const content = this.content(directory);
    let last = "";
    for (let start = 0; start < content.length; start += BLOCK) {
      const block = content.slice(start, start + BLOCK);
      const view = new DataView(block.buffer);
      const count = view.getUint16(8, true) / 12;
      for (let index = 0; index < count; index++) {
        const at = index * 12;
        const from = view.getUint16(at + 8, true);
        const to = index + 1 < count
          ? view.getUint16(at + 20, true)
          : block.length;
        const name = latin1(block.subarray(from, to)).replace(/\0.*$/s, "");
        assert.ok(name > last, `${name} comes after ${last}`);
        last = name;
        found.set(name, {
          nid: Number(view.getBigUint64(at, true)),
          kind: DIRENT_KINDS[view.getUint8(at + 10)] ?? "unknown",
        });
      }
    }
    return found;
  }

  #readChunks(inode: ReadInode, content: Uint8Array): void {
    assert.equal(inode.value & ~0x1f, 0, "a chunk format of 4-byte addresses");
    const chunk = BLOCK << (inode.value & 0x1f);
    for (let index = 0; index * chunk < inode.size; index++) {
      const block = this.#view.getUint32(inode.end + index * 4, true);
      if (block === CHUNK_HOLE) continue;
      const size = Math.min(chunk, inode.size - index * chunk);
      const from = block * BLOCK;
      content.set(this.#bytes.subarray(from, from + size), index * chunk);
    }
  }

  #xattrs(at: number, size: number): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    for (let next = at + 12; next < at + size;) {
      const nameEnd = next + 4 + this.#view.getUint8(next);
      const prefix = XATTR_PREFIXES[this.#view.getUint8(next + 1)] ?? "";
      assert.notEqual(prefix, "");
      const end = nameEnd + this.#view.getUint16(next + 2, true);
      const name = prefix + latin1(this.#bytes.subarray(next + 4, nameEnd));
      found.set(name, this.#bytes.slice(nameEnd, end));
      next = Math.ceil(end / 4) * 4;
      assert.ok(next <= at + size, "an attribute is longer than its list");
    }
    return found;
  }
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
