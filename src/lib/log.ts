/**
 * The daemon's log: one JSON object a line on stderr.
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
  jsonLinesFormatter,
  type Logger,
  type LogLevel,
} from "@logtape/logtape";

export type { Logger };

/** Sends all records from `level` on to stderr; synchronously, so that none is lost. */
export async function startLog(level: LogLevel): Promise<void> {
  const encoder = new TextEncoder();
  await configure({
    sinks: {
      stderr: (record) => {
        Deno.stderr.writeSync(encoder.encode(jsonLinesFormatter(record)));
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
