/**
 * The daemon's log on stderr: one JSON object a line, or text for people where
 * that is a terminal.
 *
 * The levels say what the reader should do: error, something asked for did not
 * happen; warn, abnormal but harmless; info, rare, normal and worth knowing;
 * debug, for developers. An error is logged once, where it ends.
 *
 * @module
 */

import {
  configure,
  getLogger,
  getTextFormatter,
  jsonLinesFormatter,
  type Logger,
  type LogLevel,
} from "@logtape/logtape";

export type { Logger };

/** Sends all records from `level` on to stderr; synchronously, so that none is lost. */
export async function startLog(level: LogLevel): Promise<void> {
  const encoder = new TextEncoder();
  const format = Deno.stderr.isTerminal()
    ? getTextFormatter()
    : jsonLinesFormatter;
  await configure({
    sinks: {
      stderr: (record) => {
        Deno.stderr.writeSync(encoder.encode(format(record)));
      },
    },
    loggers: [
      {
        category: ["logtape", "meta"],
        lowestLevel: "error",
        sinks: ["stderr"],
      },
      { category: ["volant"], lowestLevel: level, sinks: ["stderr"] },
    ],
  });
}

export function logger(area: string): Logger {
  return getLogger(["volant", area]);
}
