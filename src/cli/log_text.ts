/**
 * Prints a workload's lines where it wrote them: stdout to stdout, stderr to
 * stderr.
 *
 * @module
 */

import type { LogLine } from "../api/vms.ts";
import { plain } from "./format.ts";
import type { Output } from "./output.ts";

export interface LogTextOptions {
  /** Begin the line with its time. */
  readonly timestamps?: boolean;
}

/** A guest is not trusted: a terminal gets its text without control sequences. */
export function printLogLine(
  { timestamp, stream, line }: LogLine,
  out: Output,
  { timestamps = false }: LogTextOptions = {},
): void {
  const sink = stream === "stderr" ? out.stderr : out.stdout;
  const text = sink.isTerminal ? plain(line) : line;
  const whole = timestamps && timestamp ? `${timestamp} ${text}` : text;
  if (stream === "stderr") out.errorLine(whole);
  else out.line(whole);
}
