/**
 * Makes the file of the shim: the linked shim, packed, behind the code that
 * unpacks it.
 *
 *     deno run -R -W shim/pack/pack.ts SHIM.ELF UNPACK.ELF OUT
 *
 * The format is described in unpack.c, the other end. The file is an ELF
 * header, two program headers (the file itself, to be executed; and memory
 * for the shim), the unpacker and the packed bytes: no sections, which neither
 * the kernel nor anybody else needs of a packed program.
 *
 * @module
 */

/** A byte, or a piece of what came before. */
type Token =
  | { readonly kind: "byte" }
  | {
    readonly kind: "copy";
    readonly distance: number;
    readonly length: number;
  };

/** The cheapest known way to get to a position. */
interface Way {
  readonly bits: number;
  readonly token: Token;
  /** The distance of its last copy. */
  readonly distance: number;
}

interface Image {
  readonly machine: number;
  readonly entry: number;
  readonly address: number;
  readonly bytes: Uint8Array;
  /** The end of the last segment in memory. */
  readonly end: number;
}

const BYTE_BITS = 9;
const HEADER_BYTES = 64 + 2 * 56;
const PAGE = 0x1000;

/** Bits of a number in the gamma code. */
function numberBits(value: number): number {
  return 2 * Math.floor(Math.log2(value)) + 1;
}

function copyBits(distance: number, length: number, last: number): number {
  if (distance === last) return 2 + numberBits(length);
  return 1 + numberBits(((distance - 1) >> 8) + 2) + 8 +
    numberBits(length - 1);
}

function matchLength(bytes: Uint8Array, at: number, distance: number): number {
  let length = 0;
  while (
    at + length < bytes.length &&
    bytes[at + length] === bytes[at + length - distance]
  ) length++;
  return length;
}

/** The cheapest sequence of tokens, but for choices that only pay off by a later repetition. */
function parse(bytes: Uint8Array): Token[] {
  const ways: (Way | undefined)[] = [
    { bits: 0, token: { kind: "byte" }, distance: 0 },
  ];
  const offer = (at: number, way: Way) => {
    const known = ways[at];
    if (known === undefined || way.bits < known.bits) ways[at] = way;
  };
  for (let at = 0; at < bytes.length; at++) {
    const way = ways[at];
    if (way === undefined) continue;
    const { bits, distance: last } = way;
    offer(at + 1, {
      bits: bits + BYTE_BITS,
      token: { kind: "byte" },
      distance: last,
    });
    let covered = 1;
    for (let distance = 1; distance <= at; distance++) {
      const longest = matchLength(bytes, at, distance);
      const shortest = distance === last ? 1 : covered + 1;
      for (let length = shortest; length <= longest; length++) {
        offer(at + length, {
          bits: bits + copyBits(distance, length, last),
          token: { kind: "copy", distance, length },
          distance,
        });
      }
      covered = Math.max(covered, longest);
    }
  }
  return walkBack(bytes.length, ways);
}

function walkBack(
  length: number,
  ways: readonly (Way | undefined)[],
): Token[] {
  const tokens: Token[] = [];
  for (let at = length; at > 0;) {
    const token = ways[at]?.token ?? { kind: "byte" };
    tokens.push(token);
    at -= token.kind === "byte" ? 1 : token.length;
  }
  return tokens.reverse();
}

/** Writes bits and bytes in the order in which the unpacker reads them. */
class Writer {
  readonly #bytes: number[] = [];
  #at = 0;
  #used = 8;

  bit(value: number): void {
    if (this.#used === 8) {
      this.#at = this.#bytes.push(0) - 1;
      this.#used = 0;
    }
    this.#bytes[this.#at] = (this.#bytes[this.#at] ?? 0) |
      value << this.#used++;
  }

  byte(value: number): void {
    this.#bytes.push(value & 0xff);
  }

  number(value: number): void {
    for (let left = Math.floor(Math.log2(value)) - 1; left >= 0; left--) {
      this.bit(1);
      this.bit(value >> left & 1);
    }
    this.bit(0);
  }

  take(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** Packs at most 65,535 bytes. */
export function pack(bytes: Uint8Array): Uint8Array {
  const writer = new Writer();
  let at = 0;
  let last = 0;
  writer.byte(bytes.length);
  writer.byte(bytes.length >> 8);
  for (const token of parse(bytes)) {
    if (token.kind === "byte") {
      writer.bit(0);
      writer.byte(bytes[at++] ?? 0);
      continue;
    }
    const { distance, length } = token;
    writer.bit(1);
    if (distance === last) {
      writer.number(1);
      writer.number(length);
    } else {
      writer.number(((distance - 1) >> 8) + 2);
      writer.byte(distance - 1);
      writer.number(length - 1);
    }
    last = distance;
    at += length;
  }
  return writer.take();
}

/** The first loaded segment of an ELF file, and what else is needed of it. */
function readImage(file: Uint8Array): Image {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  const headers = u64(32);
  const segments = Array.from(
    { length: view.getUint16(56, true) },
    (_, index) => headers + index * 56,
  ).filter((at) => view.getUint32(at, true) === 1 && u64(at + 40) > 0);
  const first = segments[0];
  const last = segments.at(-1);
  if (first === undefined || last === undefined) {
    throw new Error("Cannot pack the shim: its ELF file has no segment");
  }
  return {
    machine: view.getUint16(18, true),
    entry: u64(24),
    address: u64(first + 16),
    bytes: file.subarray(u64(first + 8), u64(first + 8) + u64(first + 32)),
    end: u64(last + 16) + u64(last + 40),
  };
}

/** The header of a program that is loaded at `base` and has memory from `start` to `end`. */
function elfHeader(
  { machine, entry, base, size, start, end }: {
    machine: number;
    entry: number;
    base: number;
    size: number;
    start: number;
    end: number;
  },
): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  const words = (at: number, values: readonly number[]) =>
    values.forEach((value, index) =>
      view.setBigUint64(at + index * 8, BigInt(value), true)
    );
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  words(24, [entry, 64]);
  [64, 56, 2].forEach((value, index) =>
    view.setUint16(52 + index * 2, value, true)
  );
  view.setUint32(64, 1, true);
  view.setUint32(68, 5, true);
  words(72, [0, base, base, size, size, PAGE]);
  view.setUint32(120, 1, true);
  view.setUint32(124, 6, true);
  words(128, [0, start, start, 0, end - start, PAGE]);
  return header;
}

function main(): void {
  const [shimPath = "", unpackPath = "", outPath = ""] = Deno.args;
  const shim = readImage(Deno.readFileSync(shimPath));
  const unpack = readImage(Deno.readFileSync(unpackPath));
  const packed = pack(shim.bytes);
  const size = HEADER_BYTES + unpack.bytes.length + packed.length;
  const file = new Uint8Array(size);
  file.set(elfHeader({
    machine: unpack.machine,
    entry: unpack.entry,
    base: unpack.address - HEADER_BYTES,
    size,
    start: shim.address,
    end: shim.end,
  }));
  file.set(unpack.bytes, HEADER_BYTES);
  file.set(packed, HEADER_BYTES + unpack.bytes.length);
  Deno.writeFileSync(outPath, file, { mode: 0o755 });
}

if (import.meta.main) main();
