/**
 * The files of a tar archive, in the order they lie in it, while the archive
 * streams by: ustar, PAX and GNU, with long names, sparse files and extended
 * attributes. Written by hand because the readers to be had take every PAX
 * value for UTF-8, which changes the bytes of a `security.capability`.
 *
 * It knows archives only: what a name means, and which one may be trusted, is
 * for the caller.
 *
 * @module
 */

import type { ByteInput } from "./byte_source.ts";
import { ArchiveProblem, damaged } from "./problem.ts";
import {
  NO_RECORDS,
  parsePax,
  paxInteger,
  type PaxRecords,
  paxTime,
  paxXattrs,
} from "./pax.ts";
import {
  filled,
  gnuSparse,
  type Part,
  paxSparse,
  type Sparse,
} from "./sparse.ts";
import {
  binary,
  BLOCK_BYTES,
  padding,
  parseHeader,
  type TarHeader,
} from "./tar_header.ts";

export type TarKind =
  | "file"
  | "link"
  | "symlink"
  | "char"
  | "block"
  | "directory"
  | "fifo";

/** Names, targets and attribute names are binary strings. */
export interface TarEntry {
  readonly kind: TarKind;
  readonly name: string;
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array> | undefined;
  /** Bytes of the content, holes filled. */
  readonly size: number;
  /** Bytes of it that are not in the archive. */
  readonly holes: number;
  /** Where the bytes lie that are in the archive; undefined: all are. */
  readonly parts: readonly Part[] | undefined;
  /** Once, and only until the next entry is asked for. */
  content(): AsyncIterable<Uint8Array>;
  /** As `content`, without the holes: the bytes of the parts, in their order. */
  stored(): AsyncIterable<Uint8Array>;
}

const KINDS: Readonly<Record<string, TarKind>> = {
  "0": "file",
  "1": "link",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "7": "file",
  "S": "file",
};

/** Attributes and long names of one file: Linux allows some 64 KiB of each. */
const EXTRA_BYTES_MAX = 1024 * 1024;

/** Headers in a row that only announce the next one. */
const EXTRA_HEADERS_MAX = 16;

/** What the headers before a file's own have said of it. */
interface Announced {
  pax: PaxRecords;
  name: string | undefined;
  linkName: string | undefined;
}

export class TarReader {
  readonly #source: ByteInput;
  /** Bytes of the content that were not taken. */
  #left = 0;
  /** Bytes between the content and the next header. */
  #padding = 0;

  constructor(source: ByteInput) {
    this.#source = source;
  }

  /** The next entry; undefined at the archive's end, when all is read. */
  async next(): Promise<TarEntry | undefined> {
    const announced: Announced = {
      pax: NO_RECORDS,
      name: undefined,
      linkName: undefined,
    };
    for (let extras = 0; extras <= EXTRA_HEADERS_MAX; extras++) {
      await this.#source.skip(this.#left);
      // Some programs write no end: neither the last block's rest nor zeroes.
      await this.#source.skipIfThere(this.#padding);
      this.#left = this.#padding = 0;
      const block = await this.#source.take(BLOCK_BYTES);
      const header = block === undefined ? undefined : parseHeader(block);
      if (block === undefined || header === undefined) {
        await this.#source.drain();
        return undefined;
      }
      if (!await this.#announcement(header, announced)) {
        return await this.#entry(header, block, announced);
      }
    }
    throw damaged("a file has more headers than any program writes");
  }

  /** Whether the header only says something of the next one. */
  async #announcement(
    { flag, size }: TarHeader,
    announced: Announced,
  ): Promise<boolean> {
    switch (flag) {
      case "x":
      case "X":
        announced.pax = parsePax(await this.#extra(size));
        return true;
      case "L":
        announced.name = upToNul(await this.#extra(size));
        return true;
      case "K":
        announced.linkName = upToNul(await this.#extra(size));
        return true;
      case "g":
      case "V":
        // Of the whole archive: a commit's name, a volume's label.
        this.#expect(size);
        return true;
      default:
        return false;
    }
  }

  #expect(size: number): void {
    this.#left = size;
    this.#padding = wholeBlocks(size) - size;
  }

  async #extra(size: number): Promise<string> {
    if (size < 0 || size > EXTRA_BYTES_MAX) {
      throw damaged(
        `the names and attributes of a file take more than ${EXTRA_BYTES_MAX} bytes`,
      );
    }
    const bytes = await this.#source.need(wholeBlocks(size));
    return binary(bytes, 0, size);
  }

  async #entry(
    header: TarHeader,
    block: Uint8Array,
    announced: Announced,
  ): Promise<TarEntry> {
    const { pax } = announced;
    const kind = KINDS[header.flag];
    if (kind === undefined) {
      throw new ArchiveProblem(
        "unknown",
        `it holds an entry of the unknown type ${JSON.stringify(header.flag)}`,
      );
    }
    const name = pax.values.get("GNU.sparse.name") ?? pax.values.get("path") ??
      announced.name ?? header.name;
    const hasContent = kind === "file";
    const size = hasContent ? paxInteger(pax, "size") ?? header.size : 0;
    if (size < 0) throw damaged("a file is smaller than nothing");
    const time = paxTime(pax);
    const found = {
      // Archives older than the flag for folders mark them so.
      kind: kind === "file" && header.flag === "0" && name.endsWith("/")
        ? "directory"
        : kind,
      name,
      linkName: pax.values.get("linkpath") ?? announced.linkName ??
        header.linkName,
      mode: header.mode & 0o7777,
      uid: paxInteger(pax, "uid") ?? header.uid,
      gid: paxInteger(pax, "gid") ?? header.gid,
      mtime: time?.seconds ?? header.mtime,
      mtimeNs: time?.nanoseconds ?? 0,
      major: header.major,
      minor: header.minor,
      xattrs: paxXattrs(pax),
    } as const;
    this.#expect(size);
    const sparse = hasContent
      ? await this.#sparse(header, block, pax)
      : undefined;
    return {
      ...found,
      size: sparse?.size ?? size,
      holes: sparse === undefined ? 0 : Math.max(0, sparse.size - size),
      content: () =>
        sparse === undefined
          ? this.#content(size)
          : filled(sparse, (length) => this.#content(length)),
      parts: sparse?.parts,
      stored: () => this.#content(sparse?.stored ?? size),
    };
  }

  async #sparse(
    { flag }: TarHeader,
    block: Uint8Array,
    pax: PaxRecords,
  ): Promise<Sparse | undefined> {
    if (flag === "S") return await gnuSparse(block, this.#source);
    const found = await paxSparse(pax, this.#source);
    if (found === undefined) return undefined;
    this.#left -= found.mapBytes;
    if (this.#left < 0) throw damaged("the map of a sparse file is malformed");
    return found.sparse;
  }

  async *#content(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0;) {
      const chunk = await this.#source.some(Math.min(left, this.#left));
      if (chunk === undefined || chunk.length === 0) {
        throw damaged("it ends in the middle of a file");
      }
      left -= chunk.length;
      this.#left -= chunk.length;
      yield chunk;
    }
  }
}

function wholeBlocks(size: number): number {
  const length = size + padding(size);
  if (size >= 0 && Number.isSafeInteger(length)) return length;
  throw damaged("a file has a size beyond all bounds");
}

function upToNul(text: string): string {
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}
