/**
 * `volant vm logs`: what workload, kernel or VMM has written.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { logsVm } from "../../api/vms.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help, ONE_NAME } from "../flags.ts";
import { printLogLine } from "../log_text.ts";
import { parseCount } from "../words.ts";

interface Flags extends DaemonFlags {
  readonly follow?: boolean;
  readonly tail?: number;
  readonly timestamps?: boolean;
  readonly source: "workload" | "console" | "vmm";
}

export const vmLogs = buildCommand<Flags, [string], Context>({
  docs: help({
    brief: "Print what a virtual machine has written",
    text:
      "A guest has one output: what the workload wrote to its stderr is among the lines of its\nstdout, in the order written. Logs are lines of UTF-8 text: binary output does not arrive\nas it was. On a terminal, escape sequences and control characters are left out: a guest is\nnot trusted.",
    examples: [
      ["volant vm logs web", "Print the workload's output"],
      ["volant vm logs -f --tail 20 web", "Print the last lines and go on"],
      ["volant vm logs --source console web", "Print the kernel's console"],
    ],
  }),
  parameters: {
    flags: {
      ...DAEMON_FLAGS,
      follow: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Go on until the machine ends",
      },
      tail: {
        kind: "parsed",
        parse: parseCount,
        optional: true,
        placeholder: "N",
        brief: "N: only the last N lines",
      },
      timestamps: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Begin each line with its time",
      },
      source: {
        kind: "enum",
        values: ["workload", "console", "vmm"],
        default: "workload",
        brief: "Whose output",
      },
    },
    aliases: { f: "follow", t: "timestamps" },
    positional: ONE_NAME,
  },
  async func({ socket, json, follow, tail, timestamps, source }, name) {
    using client = this.connect(socket);
    const lines = client.stream(logsVm, {
      name,
      source,
      ...(follow ? { follow } : {}),
      ...(tail === undefined ? {} : { tail }),
    });
    for await (const line of lines) {
      if (json) this.out.jsonLine(line);
      else printLogLine(line, this.out, { timestamps: timestamps === true });
    }
  },
});
