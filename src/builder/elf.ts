/**
 * Reads of an ELF file what is needed to know which other files it wants: its
 * loader, the libraries it names and where it says they are. Reads only those
 * parts, as programs can be large, and trusts none of the numbers in them.
 *
 * @module
 */

export interface ElfInfo {
  /** 32 or 64. */
  readonly bits: 32 | 64;
  /** `e_machine`: 62 is x86_64, 183 arm64. */
  readonly machine: number;
  /** The loader (PT_INTERP); undefined for libraries and static programs. */
  readonly interpreter?: string | undefined;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
  /** DT_RPATH, which DT_RUNPATH overrides. */
  readonly rpath: readonly string[];
  readonly runpath: readonly string[];
}

/** Reads up to `length` bytes at `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;

const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

/** Bounds on what is read of one file, far above what linkers make. */
const SEGMENTS_MAX = 256;
const DYNAMIC_BYTES_MAX = 1024 * 1024;
const STRING_BYTES_MAX = 4096;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** What an ELF file needs, or undefined for a file that is none we can read. */
export async function readElf(readAt: ReadAt): Promise<ElfInfo | undefined> {
  const head = await readAt(0, 64);
  const isElf = head.length >= 52 && head[0] === 0x7f && head[1] === 0x45 &&
    head[2] === 0x4c && head[3] === 0x46;
  // Little endian is all that Volant's guests are.
  if (!isElf || head[5] !== 1) return undefined;
  const bits = head[4] === 2 ? 64 : 32;
  if (bits === 64 && head.length < 64) return undefined;
  const machine = viewOf(head).getUint16(18, true);
  const segments = await readSegments(readAt, head, bits);
  const interp = segments.find(({ type }) => type === PT_INTERP);
  const interpreter = interp === undefined
    ? undefined
    : stringAt(await readAt(interp.offset, Math.min(interp.size, 4096)), 0);
  const dynamic = await readDynamic(readAt, segments, bits);
  return { bits, machine, interpreter, ...dynamic };
}

async function readSegments(
  readAt: ReadAt,
  head: Uint8Array,
  bits: 32 | 64,
): Promise<Segment[]> {
  const view = viewOf(head);
  const offset = bits === 64
    ? Number(view.getBigUint64(32, true))
    : view.getUint32(28, true);
  const entryBytes = view.getUint16(bits === 64 ? 54 : 42, true);
  const count = Math.min(
    view.getUint16(bits === 64 ? 56 : 44, true),
    SEGMENTS_MAX,
  );
  if (entryBytes < (bits === 64 ? 56 : 32)) return [];
  const table = await readAt(offset, entryBytes * count);
  const segments: Segment[] = [];
  for (let at = 0; at + entryBytes <= table.length; at += entryBytes) {
    segments.push(
      readSegment(viewOf(table.subarray(at, at + entryBytes)), bits),
    );
  }
  return segments;
}

function readSegment(view: DataView, bits: 32 | 64): Segment {
  const type = view.getUint32(0, true);
  if (bits === 32) {
    return {
      type,
      offset: view.getUint32(4, true),
      address: view.getUint32(8, true),
      size: view.getUint32(16, true),
    };
  }
  return {
    type,
    offset: Number(view.getBigUint64(8, true)),
    address: Number(view.getBigUint64(16, true)),
    size: Number(view.getBigUint64(32, true)),
  };
}

type Dynamic = Pick<ElfInfo, "needed" | "rpath" | "runpath">;

async function readDynamic(
  readAt: ReadAt,
  segments: readonly Segment[],
  bits: 32 | 64,
): Promise<Dynamic> {
  const nothing: Dynamic = { needed: [], rpath: [], runpath: [] };
  const segment = segments.find(({ type }) => type === PT_DYNAMIC);
  if (segment === undefined) return nothing;
  const bytes = await readAt(
    segment.offset,
    Math.min(segment.size, DYNAMIC_BYTES_MAX),
  );
  const tags = dynamicTags(bytes, bits);
  const table = tags.find(([tag]) => tag === DT_STRTAB);
  const strings = table && fileOffset(segments, table[1]);
  if (strings === undefined) return nothing;

  const read = async (wanted: number) => {
    const found: string[] = [];
    for (const [tag, value] of tags) {
      if (tag !== wanted) continue;
      const raw = await readAt(strings + value, STRING_BYTES_MAX);
      const text = stringAt(raw, 0);
      if (text !== "") found.push(text);
    }
    return found;
  };
  const paths = async (wanted: number) =>
    (await read(wanted)).flatMap((list) => list.split(":"))
      .filter((path) => path !== "");
  return {
    needed: await read(DT_NEEDED),
    rpath: await paths(DT_RPATH),
    runpath: await paths(DT_RUNPATH),
  };
}

function dynamicTags(
  bytes: Uint8Array,
  bits: 32 | 64,
): [tag: number, value: number][] {
  const view = viewOf(bytes);
  const size = bits === 64 ? 16 : 8;
  const tags: [number, number][] = [];
  for (let at = 0; at + size <= bytes.length; at += size) {
    const tag = bits === 64
      ? Number(view.getBigUint64(at, true))
      : view.getUint32(at, true);
    const value = bits === 64
      ? Number(view.getBigUint64(at + 8, true))
      : view.getUint32(at + 4, true);
    if (tag === DT_NULL) break;
    tags.push([tag, value]);
  }
  return tags;
}

/** Where in the file the byte lies that is loaded at `address`. */
function fileOffset(
  segments: readonly Segment[],
  address: number,
): number | undefined {
  const segment = segments.find((each) =>
    each.type === PT_LOAD && address >= each.address &&
    address < each.address + each.size
  );
  return segment && address - segment.address + segment.offset;
}

function stringAt(bytes: Uint8Array, start: number): string {
  const end = bytes.indexOf(0, start);
  return new TextDecoder().decode(
    bytes.subarray(start, end < 0 ? bytes.length : end),
  );
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
