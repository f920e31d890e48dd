/**
 * `volant plugin list`: the installed plugins, a line each.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { listPlugins } from "../../api/plugins.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help } from "../flags.ts";
import { artifactWord } from "../plugin_text.ts";

interface Flags extends DaemonFlags {
  readonly quiet?: boolean;
}

export const pluginList = buildCommand<Flags, [], Context>({
  docs: help({
    brief: "List the installed plugins",
    examples: [
      ["volant plugin list", "Show all, with the VMs that use them"],
      ["volant plugin list -q", "Print their names"],
    ],
  }),
  parameters: {
    flags: {
      ...DAEMON_FLAGS,
      quiet: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print names only",
      },
    },
    aliases: { q: "quiet" },
  },
  async func({ socket, json, quiet }) {
    using client = this.connect(socket);
    const { plugins, items } = await client.call(listPlugins, {});
    if (json) return this.out.json(items);
    if (quiet) return plugins.forEach((name) => this.out.line(name));
    this.out.table(
      ["NAME", "VERSION", "ENABLED", "ARTIFACT", "VMS"],
      items.map((plugin) => [
        plugin.name,
        plugin.version,
        plugin.enabled ? "yes" : { text: "no", style: "yellow" },
        artifactWord(plugin),
        plugin.vms.join(", ") || "-",
      ]),
    );
  },
});
