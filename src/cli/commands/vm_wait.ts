/**
 * `volant vm wait`: the end of a workload as an exit status.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { getVm, waitVm } from "../../api/vms.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help, ONE_NAME } from "../flags.ts";
import { noteDaemons, overDaemons } from "../reconnect.ts";
import { endedStatus, exitSentence, isNow } from "../vm_text.ts";
import { parseDuration } from "../words.ts";

interface Flags extends DaemonFlags {
  readonly for: "running" | "healthy" | "stopped";
  readonly timeout?: number;
}

export const vmWait = buildCommand<Flags, [string], Context>({
  docs: help({
    brief: "Wait until a virtual machine runs, is healthy, or has ended",
    text:
      "When the daemon goes away it is asked for once a second for a minute, and waited on with.",
    examples: [
      ["volant vm wait job; echo $?", "Wait for its end and say its status"],
      [
        "volant vm wait web --for healthy --timeout 30s",
        "Wait until its health check has answered",
      ],
    ],
    exits: [
      ["0-255", "with --for stopped: the exit status of the workload"],
      ["70", "it ended without one: killed, guest panic, failed VMM, ..."],
      ["75", "what was waited for did not happen in time"],
    ],
  }),
  parameters: {
    flags: {
      ...DAEMON_FLAGS,
      for: {
        kind: "enum",
        values: ["running", "healthy", "stopped"],
        default: "stopped",
        brief: "What to wait for",
      },
      timeout: {
        kind: "parsed",
        parse: parseDuration,
        optional: true,
        placeholder: "TIME",
        brief: "TIME such as 30s, 2m or 1h: how long to wait (default 1h)",
      },
    },
    positional: ONE_NAME,
  },
  async func({ socket, json, for: goal, timeout }, name) {
    using client = this.connect(socket);
    const connect = () => client.call(getVm, { name });
    const start = performance.now();
    await connect();
    const vm = await overDaemons(() => {
      const passed = (performance.now() - start) / 1000;
      const left = timeout && Math.max(Math.ceil(timeout - passed), 1);
      return client.call(waitVm, {
        name,
        for: goal,
        ...(left === undefined ? {} : { timeout: left }),
      });
    }, { connect, ...noteDaemons(this.out) });
    if (json) this.out.json(vm);
    else {
      const exit = goal === "stopped" && vm.exit;
      this.out.line(
        exit ? `${name} ended: ${exitSentence(exit)}` : isNow(name, vm),
      );
    }
    if (goal === "stopped") this.exitWith(endedStatus(vm.exit));
  },
});
