/**
 * What this process was made from: the one executable, or the source tree.
 *
 * The executable's start script leaves a description of itself under a
 * well-known symbol before any module of ours runs (`tools/pack/prelude.ts`).
 * Where that is missing, Volant runs from source, and takes what it needs from
 * the tree and from `build/`. Nothing else may ask which of the two it is.
 *
 * @module
 */

/** A file the executable carries, compressed, in its payload. */
export interface PackedAsset {
  readonly offset: number;
  readonly size: number;
  /** SHA-256 of the unpacked bytes, in hex. */
  readonly sha256: string;
  readonly unpackedSize: number;
}

/** The executable's description of itself. */
export interface Executable {
  readonly version: string;
  /** Commit it was built from; absent when it was built outside git. */
  readonly commit?: string;
  readonly assets: Readonly<Record<string, PackedAsset>>;
  /** Reads a range of the payload. */
  read(offset: number, size: number): Uint8Array<ArrayBuffer>;
  /** Evaluates a part of the program that is loaded on demand. */
  load(chunk: string): unknown;
}

export const EXECUTABLE: unique symbol = Symbol.for("volant.executable");

/** Names the executable answers to; any other counts as `volant`. */
export const PROGRAMS = [
  "volant",
  "volantd",
  "volar",
  "kestrel",
  "fledge",
] as const;

export type ProgramName = typeof PROGRAMS[number];

const COMMAND_LINE_MAX = 4096;
const DELETED = " (deleted)";

/** The executable this process runs from; undefined when run from source. */
export function executable(): Executable | undefined {
  return (globalThis as { [EXECUTABLE]?: Executable })[EXECUTABLE];
}

/** The name this process was called by. */
export function programName(): ProgramName {
  // Deno is always told "volant"; the kernel knows what the caller said.
  const called = executable() === undefined ? "" : firstArgument();
  const base = called.slice(called.lastIndexOf("/") + 1);
  return PROGRAMS.find((name) => name === base) ?? "volant";
}

/** The version of Volant, as in `deno.json`. */
export function version(): string {
  const packed = executable();
  if (packed !== undefined) return packed.version;
  const config = JSON.parse(
    Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)),
  ) as { readonly version: string };
  return config.version;
}

/** The commit the executable was built from, where that is known. */
export function commit(): string | undefined {
  return executable()?.commit;
}

/** Path of the file to execute to start this very program again. */
export function selfPath(): string {
  const path = Deno.execPath();
  if (!path.endsWith(DELETED)) return path;
  // Replaced by a newer one, most likely; otherwise the kernel still has it.
  const replaced = path.slice(0, -DELETED.length);
  return exists(replaced) ? replaced : "/proc/self/exe";
}

/** The command that starts Volant again with other arguments. */
export function selfCommand(
  args: readonly string[],
): { readonly path: string; readonly args: readonly string[] } {
  if (executable() !== undefined) return { path: selfPath(), args };
  const main = new URL("../main.ts", import.meta.url).pathname;
  return { path: selfPath(), args: ["run", "-A", main, ...args] };
}

function firstArgument(): string {
  using file = Deno.openSync("/proc/self/cmdline");
  const buffer = new Uint8Array(COMMAND_LINE_MAX);
  const count = file.readSync(buffer) ?? 0;
  const end = buffer.indexOf(0);
  return new TextDecoder().decode(
    buffer.subarray(0, end === -1 ? count : Math.min(end, count)),
  );
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
