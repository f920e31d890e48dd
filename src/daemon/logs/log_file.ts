/**
 * Reads a log that its monitor rotates: first what is there, then what comes.
 *
 * The files are the truth, not the monitor: so a log is read the same way while
 * the machine runs, after it ended, and when its monitor was killed.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";
import { RotatedFiles } from "./rotated_files.ts";

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

/** Stands for lines that were thrown away before they could be read. */
export const LINES_MISSING =
  "[lines are missing here: the log was rotated faster than it was read]";

/** Stands between what was there and what comes. */
const CAUGHT_UP = Symbol("caught up");

async function* allLines(
  path: string,
  { follow, ended, signal }: ReadOptions,
): AsyncGenerator<readonly string[] | typeof CAUGHT_UP, void, void> {
  const lines = new LineSplitter();
  using files = new RotatedFiles(path);
  let isCaughtUp = false;
  while (!signal.aborted) {
    // Asked before the read, so that what came until the end is not missed.
    const last = !follow || ended();
    if (files.open !== undefined) yield* lines.of(chunks(files.open));
    const newer = await files.newer();
    if (newer !== "none") {
      // Written between that read and the rotation.
      if (files.open !== undefined) yield* lines.of(chunks(files.open));
      if (newer === "after-a-gap") yield [...lines.rest(), LINES_MISSING];
      files.goOn();
      continue;
    }
    if (last) { for (const line of lines.rest()) yield [line]; }
    if (!isCaughtUp) yield CAUGHT_UP;
    isCaughtUp = true;
    if (last) return;
    await pause(FOLLOW_PAUSE_MS, signal).catch(() => {
      // The reader went: the next look at the signal ends the loop.
    });
  }
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
      if (this.#part.length > LINE_MAX) yield [...this.rest()];
    }
  }

  *rest(): Generator<string, void, void> {
    if (this.#part !== "") yield this.#part;
    this.#part = "";
  }
}
