/**
 * `volant vm stop`: asked to end, waited for.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { stopVm } from "../../api/vms.ts";
import type { Context } from "../context.ts";
import {
  DAEMON_FLAGS,
  type DaemonFlags,
  help,
  SEVERAL_NAMES,
  STOP_FLAGS,
  type StopFlags,
} from "../flags.ts";
import { forEachVm } from "../several.ts";
import { isNow } from "../vm_text.ts";

type Flags = DaemonFlags & StopFlags;

export const vmStop = buildCommand<Flags, string[], Context>({
  docs: help({
    brief: "Stop virtual machines and wait until they have ended",
    text:
      "The workload gets its stop signal, and SIGKILL after the grace; then the guest\nunmounts its file systems and ends.",
    examples: [
      ["volant vm stop web", "Stop it with the grace of its manifest"],
      ["volant vm stop --grace 30s web db", "Give each half a minute"],
      ["volant vm stop --kill web", "End the machine at once"],
    ],
  }),
  parameters: {
    flags: { ...DAEMON_FLAGS, ...STOP_FLAGS },
    positional: SEVERAL_NAMES,
  },
  async func({ socket, json, grace, kill }, ...names) {
    using client = this.connect(socket);
    await forEachVm(
      this,
      { names, json, say: isNow },
      (name) =>
        client.call(stopVm, {
          name,
          ...(grace === undefined ? {} : { grace }),
          ...(kill ? { kill } : {}),
        }),
    );
  },
});
