/**
 * Calls into the C library, for what the runtime has no call for. The only
 * place of its kind; nothing is loaded before the first call.
 *
 * @module
 */

/** Bytes of a file that are not a hole. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const O_CLOEXEC = 0o2000000;
const SEEK_END = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const ENXIO = 6;

let loaded: Libc | undefined;

/**
 * Where a file has data, in order. What lies between is zero, and was not read
 * to find out; a file system that knows no holes gives the whole file.
 */
export function dataExtents(path: string): Extent[] {
  const libc = library();
  const name = new TextEncoder().encode(`${path}\0`);
  const file = libc.open(name, O_CLOEXEC);
  if (file < 0) throw failed(libc, "open", path);
  try {
    const seek = (offset: number, whence: number) =>
      Number(libc.lseek(file, BigInt(offset), whence));
    const size = seek(0, SEEK_END);
    if (size < 0) throw failed(libc, "seek in", path);
    const extents: Extent[] = [];
    for (let end = 0; end < size;) {
      const offset = seek(end, SEEK_DATA);
      if (offset < 0 && errno(libc) === ENXIO) break;
      if (offset < 0) throw failed(libc, "seek in", path);
      end = seek(offset, SEEK_HOLE);
      if (end < 0) throw failed(libc, "seek in", path);
      extents.push({ offset, length: end - offset });
    }
    return extents;
  } finally {
    libc.close(file);
  }
}

function library(): Libc {
  loaded ??= Deno.dlopen("libc.so.6", SYMBOLS).symbols;
  return loaded;
}

/** Of the call just made: nothing else runs on this thread in between. */
function errno(libc: Libc): number {
  const place = libc.__errno_location();
  return place === null ? 0 : new Deno.UnsafePointerView(place).getInt32();
}

function failed(libc: Libc, verb: string, path: string): Error {
  return new Error(`Cannot ${verb} "${path}": os error ${errno(libc)}`);
}
