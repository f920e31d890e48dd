/**
 * Prints what commands find out: the only place of the CLI that does.
 *
 * Results go to stdout; notes, progress and faults to stderr. A command says
 * what it has, and whether that becomes a table or JSON is decided here.
 * Colours are for terminals without NO_COLOR.
 *
 * @module
 */

import type { Fault } from "../lib/fault.ts";
import { plain } from "./format.ts";

/** How many problems of one fault a person is shown. */
const PROBLEMS_MAX = 10;

export interface Sink {
  readonly isTerminal: boolean;
  write(bytes: Uint8Array): void;
}

export type Style = "bold" | "dim" | "green" | "yellow" | "red";

/** Text of a table, with a style where it stands out. */
export type Cell = string | { readonly text: string; readonly style: Style };

const CODES: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
};

export class Output {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly #colours: boolean;
  readonly #encoder = new TextEncoder();
  /** Lines of the block that the cursor stands below. */
  #blockLines = 0;

  constructor(stdout: Sink, stderr: Sink, colours: boolean) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.#colours = colours;
  }

  /** A line of the result. */
  line(text: string): void {
    this.raw(`${text}\n`);
  }

  /** A part of the result, as it is. */
  raw(text: string): void {
    this.stdout.write(this.#encoder.encode(text));
  }

  /** The result for a program: one JSON document. */
  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2));
  }

  /** One of many results for a program: a JSON document a line. */
  jsonLine(value: unknown): void {
    this.line(JSON.stringify(value));
  }

  /**
   * A line that is not part of the result. What it says may come from an image,
   * a guest or an archive, which are not trusted with a terminal.
   */
  note(text: string): void {
    this.errorLine(plain(text));
  }

  /** A line on stderr, as it is. */
  errorLine(text: string): void {
    this.#blockLines = 0;
    this.stderr.write(this.#encoder.encode(`${text}\n`));
  }

  /** A note that the next one of its kind replaces; for terminals only. */
  status(text: string): void {
    if (!this.stderr.isTerminal) return;
    this.stderr.write(this.#encoder.encode(`\r${text}\x1b[K`));
  }

  /** Lines that the next block replaces, unless a note has come between them; for terminals only. */
  block(lines: readonly string[]): void {
    if (!this.stderr.isTerminal) return;
    const up = this.#blockLines > 0 ? `\x1b[${this.#blockLines}A\x1b[J` : "";
    const text = lines.map((line) => `${plain(line)}\n`).join("");
    this.stderr.write(this.#encoder.encode(up + text));
    this.#blockLines = lines.length;
  }

  /** Columns as wide as their widest cell; the heading is in bold. */
  table(heading: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const styled = heading.map((text): Cell => ({ text, style: "bold" }));
    const all = [styled, ...rows];
    const widths = heading.map((_, column) =>
      Math.max(...all.map((row) => textOf(row[column] ?? "").length))
    );
    for (const row of all) {
      const cells = row.map((cell, column) => {
        const padding = (widths[column] ?? 0) - textOf(cell).length;
        return this.paint(cell) + " ".repeat(padding);
      });
      this.line(cells.join("  ").trimEnd());
    }
  }

  /** `key:  value` lines with the values aligned; absent values are left out. */
  fields(fields: readonly (readonly [string, Cell | undefined])[]): void {
    const width = Math.max(...fields.map(([key]) => key.length)) + 1;
    for (const [key, value] of fields) {
      if (value === undefined || textOf(value) === "") continue;
      this.line(`${`${key}:`.padEnd(width)}  ${this.paint(value)}`);
    }
  }

  /** The failure, on stderr: sentences for people, one object for programs. */
  fault(fault: Fault, json: boolean): void {
    const { message, code, hint, details } = fault;
    if (json) {
      const facts = Object.keys(details).length > 0 ? { details } : {};
      const body = { error: message, code, hint, ...facts };
      return this.errorLine(JSON.stringify(body));
    }
    const colours = this.#colours && this.stderr.isTerminal;
    this.errorLine(`${paint("error:", "red", colours)} ${plain(message)}`);
    for (const line of problemLines(details["problems"])) this.note(line);
    if (hint) {
      this.errorLine(`${paint("hint:", "bold", colours)} ${plain(hint)}`);
    }
  }

  paint(cell: Cell): string {
    if (typeof cell === "string") return cell;
    return paint(
      cell.text,
      cell.style,
      this.#colours && this.stdout.isTerminal,
    );
  }
}

/** All problems of a fault that found several, a line each. */
function problemLines(problems: unknown): string[] {
  if (!Array.isArray(problems) || problems.length < 2) return [];
  const lines = problems.slice(0, PROBLEMS_MAX)
    .map((problem) => `  ${plain(String(problem?.message ?? problem))}`);
  const more = problems.length - lines.length;
  return more > 0 ? [...lines, `  ... and ${more} more`] : lines;
}

function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}

function paint(text: string, style: Style, colours: boolean): string {
  return colours ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text;
}

/** What nobody ever changes, to pause without giving way to anything else. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));
/**
 * PIPE_BUF: a pipe takes so much whole or not at all. Of more it may take a part
 * and fail with the rest, and nobody could tell how much is left to write.
 */
const WHOLE_BYTES = 4096;
/** How long a stream that takes nothing is left alone. */
const NO_ROOM_PAUSE_MS = 5;

/**
 * Writes whole to one of this process's own streams. Somebody else may have
 * made it non-blocking: then it is asked again until it has room.
 */
export function processSink(
  stream: { isTerminal(): boolean; writeSync(bytes: Uint8Array): number },
): Sink {
  return {
    isTerminal: stream.isTerminal(),
    write(bytes) {
      for (let done = 0; done < bytes.length;) {
        try {
          done += stream.writeSync(
            bytes.subarray(done, done + WHOLE_BYTES),
          );
        } catch (error) {
          if (!(error instanceof Deno.errors.WouldBlock)) throw error;
          Atomics.wait(NEVER, 0, 0, NO_ROOM_PAUSE_MS);
        }
      }
    },
  };
}
