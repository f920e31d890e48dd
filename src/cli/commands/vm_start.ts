/**
 * `volant vm start`: one machine after the other.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { startVm } from "../../api/vms.ts";
import type { Context } from "../context.ts";
import {
  DAEMON_FLAGS,
  type DaemonFlags,
  help,
  SEVERAL_NAMES,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { forEachVm } from "../several.ts";
import { isNow } from "../vm_text.ts";
import { whileWaiting } from "../waiting.ts";

type Flags = DaemonFlags & WaitFlags;

export const vmStart = buildCommand<Flags, string[], Context>({
  docs: help({
    brief: "Start virtual machines",
    text: "Each is started in turn and waited for. One that runs is refused.",
    examples: [
      ["volant vm start web", "Start it and wait until its workload runs"],
      [
        "volant vm start web db --wait healthy --timeout 2m",
        "Start two, and wait until the health check of each has answered",
      ],
    ],
  }),
  parameters: {
    flags: { ...DAEMON_FLAGS, ...WAIT_FLAGS },
    positional: SEVERAL_NAMES,
  },
  async func({ socket, json, wait, timeout }, ...names) {
    using client = this.connect(socket);
    await forEachVm(
      this,
      { names, json, say: isNow },
      (name) =>
        whileWaiting(this, { name, wait }, (signal) =>
          client.call(startVm, {
            name,
            wait,
            ...(timeout === undefined ? {} : { timeout }),
          }, signal)),
    );
  },
});
