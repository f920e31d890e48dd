/**
 * `volant plugin remove`: gone at once; its VMs keep what they need of it.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { deletePlugin } from "../../api/plugins.ts";
import { listVms } from "../../api/vms.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help } from "../flags.ts";
import { SEVERAL_PLUGINS, stillUse } from "../plugin_text.ts";
import { forEachOf } from "../several.ts";

interface Removed {
  readonly name: string;
  /** Names of the VMs that were created from it. */
  readonly vms: readonly string[];
}

export const pluginRemove = buildCommand<DaemonFlags, string[], Context>({
  docs: help({
    brief: "Remove plugins",
    text:
      "VMs that were created from one run on, and may be started again; its files go when the\nlast of them is deleted.",
    examples: [["volant plugin remove web", "Remove the plugin web"]],
  }),
  parameters: { flags: DAEMON_FLAGS, positional: SEVERAL_PLUGINS },
  async func({ socket, json }, ...names) {
    using client = this.connect(socket);
    await forEachOf<Removed>(this, {
      names,
      json,
      say: (name, removed) => {
        const users = stillUse(removed?.vms ?? []);
        return `${name} is removed${
          users === undefined ? "" : `; ${users} it`
        }`;
      },
    }, async (name): Promise<Removed> => {
      await client.call(deletePlugin, { plugin: name });
      const vms = await client.call(listVms, { plugin: name });
      const users = vms.filter(({ plugin }) => plugin === name);
      return { name, vms: users.map((vm) => vm.name) };
    });
  },
});
