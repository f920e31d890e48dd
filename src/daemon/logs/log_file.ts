/**
 * Reads a log that its monitor rotates: first what is there, then what comes.
 *
 * The files are the truth, not the monitor: so a log is read the same way while
 * the machine runs, after it ended, and when its monitor was killed.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";

/** Rotated files are `NAME.1` (newest) to `NAME.9`. */
const ROTATED_MAX = 9;
const CHUNK_BYTES = 64 * 1024;
/** A line longer than this is handed on in pieces. */
const LINE_MAX = 1024 * 1024;
const FOLLOW_PAUSE_MS = 50;
/** At most so many of the last lines are handed on at once. */
const BATCH_LINES = 1024;

export interface ReadOptions {
  /** Of what is there already only the last so many lines. */
  readonly tail?: number | undefined;
  /** Go on with what is added, until the signal aborts or `ended` says so. */
  readonly follow: boolean;
  /** Whether nothing will be added any more; asked when all was read. */
  readonly ended: () => boolean;
  readonly signal: AbortSignal;
}

/**
 * The lines of a log without their ends, oldest first, as many at a time as
 * were read at once.
 */
export async function* logLines(
  path: string,
  options: ReadOptions,
): AsyncGenerator<readonly string[], void, void> {
  const { tail } = options;
  let last = tail === undefined ? undefined : new LastLines(tail);
  for await (const batch of allLines(path, options)) {
    if (batch === CAUGHT_UP) {
      if (last !== undefined) yield* last.batches();
      last = undefined;
    } else if (last === undefined) {
      yield batch;
    } else {
      last.add(batch);
    }
  }
}

/** Holds the last lines of what is added to it, and little more. */
class LastLines {
  readonly #max: number;
  #lines: string[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  add(lines: readonly string[]): void {
    // Not spread: a chunk of empty lines has more of them than a call may.
    for (const line of lines) this.#lines.push(line);
    // Seldom, because each time moves all that stay.
    if (this.#lines.length > 2 * this.#max + BATCH_LINES) this.#trim();
  }

  *batches(): Generator<readonly string[], void, void> {
    this.#trim();
    while (this.#lines.length > 0) yield this.#lines.splice(0, BATCH_LINES);
  }

  #trim(): void {
    this.#lines.splice(0, Math.max(0, this.#lines.length - this.#max));
  }
}

/** Stands between what was there and what comes. */
const CAUGHT_UP = Symbol("caught up");

async function* allLines(
  path: string,
  { follow, ended, signal }: ReadOptions,
): AsyncGenerator<readonly string[] | typeof CAUGHT_UP, void, void> {
  const lines = new LineSplitter();
  let open: Deno.FsFile | undefined;
  try {
    for (const file of await rotated(path)) {
      using old = await openIfThere(file);
      if (old !== undefined) yield* lines.of(chunks(old));
    }
    for (let first = true;; first = false) {
      // Asked before the read, so that what came until the end is not missed.
      const last = !follow || ended();
      open ??= await openIfThere(path);
      if (open !== undefined) yield* lines.of(chunks(open));
      if (last) yield* lines.rest();
      if (first) yield CAUGHT_UP;
      if (last || signal.aborted) break;
      if (open !== undefined && await wasRotated(open, path)) {
        yield* lines.of(chunks(open));
        open.close();
        open = undefined;
        continue;
      }
      await pause(FOLLOW_PAUSE_MS, signal).catch(() => {
        // The reader went: the next look at the signal ends the loop.
      });
    }
  } finally {
    open?.close();
  }
}

async function rotated(path: string): Promise<string[]> {
  const files: string[] = [];
  for (let number = ROTATED_MAX; number >= 1; number--) {
    const file = `${path}.${number}`;
    if (await Deno.stat(file).catch(() => undefined)) files.push(file);
  }
  return files;
}

async function openIfThere(path: string): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function wasRotated(open: Deno.FsFile, path: string): Promise<boolean> {
  const now = await Deno.stat(path).catch(() => undefined);
  return now !== undefined && now.ino !== (await open.stat()).ino;
}

async function* chunks(
  file: Deno.FsFile,
): AsyncGenerator<Uint8Array, void, void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const count = await file.read(chunk);
    if (count === null) return;
    yield chunk.subarray(0, count);
  }
}

class LineSplitter {
  readonly #decoder = new TextDecoder();
  #part = "";

  /** The lines each chunk ends, if any. */
  async *of(
    chunks: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<readonly string[], void, void> {
    for await (const chunk of chunks) {
      const text = this.#part + this.#decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      this.#part = lines.pop() ?? "";
      if (lines.length > 0) yield lines;
      if (this.#part.length > LINE_MAX) yield* this.rest();
    }
  }

  *rest(): Generator<readonly string[], void, void> {
    if (this.#part !== "") yield [this.#part];
    this.#part = "";
  }
}
