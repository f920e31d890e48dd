/**
 * The lines of a workload's log as the monitor writes them: the CRI form,
 * `<time> <stream> <F|P> <text>`, where P is a part that goes on in the next.
 *
 * @module
 */

import type { LogLine } from "../../api/vms.ts";
import { LINES_MISSING } from "./log_file.ts";

/**
 * The whole lines of `batches`. A log that ends in a part has a last line of
 * that; one that `stop` cut off there has not: whoever reads it again gets the
 * line whole.
 */
export async function* criLines(
  batches: AsyncIterable<readonly string[]>,
  stop: AbortSignal,
): AsyncGenerator<readonly LogLine[], void, void> {
  const reader = new CriReader();
  for await (const batch of batches) {
    const lines = batch
      .flatMap((text) =>
        // The other parts are among what is missing.
        text === LINES_MISSING
          ? [reader.rest(), reader.read(text)]
          : [reader.read(text)]
      )
      .filter((line) => line !== undefined);
    // A chunk of a stream may not be empty.
    if (lines.length > 0) yield lines;
  }
  const rest = reader.rest();
  if (rest !== undefined && !stop.aborted) yield [rest];
}

/** Joins parts; a line that is not in the form is handed on as it is. */
export class CriReader {
  #part: LogLine | undefined;

  /** The whole line that `text` ends, or undefined if it goes on. */
  read(text: string): LogLine | undefined {
    const [, timestamp = "", stream, kind, rest = ""] =
      /^(\S+) (stdout|stderr) ([FP]) ?(.*)$/s.exec(text) ??
        ["", "", "stdout", "F", text];
    const line: LogLine = {
      timestamp: this.#part?.timestamp ?? timestamp,
      stream: stream === "stderr" ? "stderr" : "stdout",
      line: (this.#part?.line ?? "") + rest,
    };
    this.#part = kind === "P" ? line : undefined;
    return kind === "P" ? undefined : line;
  }

  /** What is left when the log ends in a part. */
  rest(): LogLine | undefined {
    const part = this.#part;
    this.#part = undefined;
    return part;
  }
}
