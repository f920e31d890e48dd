/**
 * `volant vm restart`: stopped and started again.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { restartVm } from "../../api/vms.ts";
import type { Context } from "../context.ts";
import {
  DAEMON_FLAGS,
  type DaemonFlags,
  help,
  SEVERAL_NAMES,
  STOP_FLAGS,
  type StopFlags,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { forEachVm } from "../several.ts";
import { isNow } from "../vm_text.ts";
import { whileWaiting } from "../waiting.ts";

type Flags = DaemonFlags & StopFlags & WaitFlags;

export const vmRestart = buildCommand<Flags, string[], Context>({
  docs: help({
    brief: "Stop virtual machines that run, and start them",
    examples: [
      ["volant vm restart web", "Restart it, and wait until it runs again"],
      [
        "volant vm restart --kill --wait none web",
        "Do not wait, at either end",
      ],
    ],
  }),
  parameters: {
    flags: { ...DAEMON_FLAGS, ...STOP_FLAGS, ...WAIT_FLAGS },
    positional: SEVERAL_NAMES,
  },
  async func({ socket, json, grace, kill, wait, timeout }, ...names) {
    using client = this.connect(socket);
    await forEachVm(
      this,
      { names, json, say: isNow },
      (name) =>
        whileWaiting(this, { name, wait }, (signal) =>
          client.call(restartVm, {
            name,
            wait,
            ...(grace === undefined ? {} : { grace }),
            ...(kill ? { kill } : {}),
            ...(timeout === undefined ? {} : { timeout }),
          }, signal)),
    );
  },
});
