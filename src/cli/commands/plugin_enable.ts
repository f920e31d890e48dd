/**
 * `volant plugin enable` and `disable`: whether VMs may be created from it.
 *
 * @module
 */

import { buildCommand, type Command } from "@stricli/core";
import { type PluginView, setPluginEnabled } from "../../api/plugins.ts";
import type { Context } from "../context.ts";
import {
  DAEMON_FLAGS,
  type DaemonFlags,
  help,
  type HelpText,
} from "../flags.ts";
import { SEVERAL_PLUGINS, stillUse } from "../plugin_text.ts";
import { forEachOf } from "../several.ts";

export const pluginEnable = setter(true, {
  brief: "Let VMs be created from plugins",
  examples: [["volant plugin enable web", "Allow new VMs of it again"]],
});

export const pluginDisable = setter(false, {
  brief: "Refuse new VMs of plugins",
  text: "VMs that were created from one run on, and may be started again.",
  examples: [["volant plugin disable web", "Refuse new VMs of it"]],
});

function setter(enabled: boolean, text: HelpText): Command<Context> {
  return buildCommand<DaemonFlags, string[], Context>({
    docs: help(text),
    parameters: { flags: DAEMON_FLAGS, positional: SEVERAL_PLUGINS },
    async func({ socket, json }, ...names) {
      using client = this.connect(socket);
      await forEachOf<PluginView>(
        this,
        {
          names,
          json,
          say: (name, plugin) => {
            if (enabled) return `${name} is enabled`;
            const users = stillUse(plugin?.vms ?? []);
            return `${name} is disabled${
              users === undefined ? "" : `; ${users} it`
            }`;
          },
        },
        (name) => client.call(setPluginEnabled, { plugin: name, enabled }),
      );
    },
  });
}
