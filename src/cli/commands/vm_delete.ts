/**
 * `volant vm delete`: gone, with all that was its own.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { deleteVm } from "../../api/vms.ts";
import type { Context } from "../context.ts";
import {
  DAEMON_FLAGS,
  type DaemonFlags,
  help,
  SEVERAL_NAMES,
} from "../flags.ts";
import { forEachVm } from "../several.ts";

interface Flags extends DaemonFlags {
  readonly force?: boolean;
}

export const vmDelete = buildCommand<Flags, string[], Context>({
  docs: help({
    brief: "Delete virtual machines and all that is their own",
    text: "One that runs is refused, unless --force ends it first.",
    examples: [
      ["volant vm delete web", "Delete a VM that does not run"],
      ["volant vm delete --force web db", "End and delete two"],
    ],
  }),
  parameters: {
    flags: {
      ...DAEMON_FLAGS,
      force: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "End it first if it runs",
      },
    },
    aliases: { f: "force" },
    positional: SEVERAL_NAMES,
  },
  async func({ socket, json, force }, ...names) {
    using client = this.connect(socket);
    await forEachVm(
      this,
      { names, json, say: (name) => `${name} is deleted` },
      (name) => client.call(deleteVm, { name, force: force === true }),
    );
  },
});
