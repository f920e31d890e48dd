/**
 * `volant vm logs`: what workload, kernel or VMM has written.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import type { Client } from "../../api/client.ts";
import {
  getVm,
  type LogLine,
  logsVm,
  type LogsVmInput,
} from "../../api/vms.ts";
import { LogPosition } from "../attach.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help, ONE_NAME } from "../flags.ts";
import { printLogLine } from "../log_text.ts";
import type { Output } from "../output.ts";
import { noteDaemons, overDaemons } from "../reconnect.ts";
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
      "A guest has one output: what the workload wrote to its stderr is among the lines of its\nstdout, in the order written. Logs are lines of UTF-8 text: binary output does not arrive\nas it was. On a terminal, escape sequences and control characters are left out: a guest is\nnot trusted. When the daemon goes away the workload's output is followed on with the next,\nwhich is asked for once a second for a minute.",
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
    const input: LogsVmInput = {
      name,
      source,
      ...(follow ? { follow } : {}),
      ...(tail === undefined ? {} : { tail }),
    };
    const print = (line: LogLine) => {
      if (json) this.out.jsonLine(line);
      else printLogLine(line, this.out, { timestamps: timestamps === true });
    };
    if (follow && source === "workload") {
      return await followLog(client, input, print, this.out);
    }
    for await (const line of client.stream(logsVm, input)) print(line);
  },
});

/** Lines of a workload have times, by which the next daemon's are known from those printed. */
async function followLog(
  client: Client,
  input: LogsVmInput,
  print: (line: LogLine) => void,
  out: Output,
): Promise<void> {
  const { name } = input;
  const position = new LogPosition();
  const connect = () => client.call(getVm, { name });
  await connect();
  await overDaemons(async () => {
    const isNew = position.reader();
    const whole = position.isKnown ? { name, follow: true } : input;
    for await (const line of client.stream(logsVm, whole)) {
      if (isNew(line)) print(line);
    }
  }, { connect, ...noteDaemons(out) });
}
