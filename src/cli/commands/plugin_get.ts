/**
 * `volant plugin get`: one plugin, and the manifest it is.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { getPlugin, listPlugins } from "../../api/plugins.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help } from "../flags.ts";
import { formatMib } from "../format.ts";
import { artifactWord, ONE_PLUGIN } from "../plugin_text.ts";

export const pluginGet = buildCommand<DaemonFlags, [string], Context>({
  docs: help({
    brief: "Show one plugin (also `show`)",
    text: "With --json it is the manifest, its files named by digest.",
    examples: [
      ["volant plugin get web", "Show the plugin web"],
      ["volant plugin get web --json > web.json", "Take its manifest out"],
    ],
  }),
  parameters: { flags: DAEMON_FLAGS, positional: ONE_PLUGIN },
  async func({ socket, json }, name) {
    using client = this.connect(socket);
    const manifest = await client.call(getPlugin, { plugin: name });
    if (json) return this.out.json(manifest);
    const { items } = await client.call(listPlugins, {});
    const plugin = items.find((item) => item.name === name);
    const { workload, network, resources, runtime } = manifest;
    const command = [...workload?.entrypoint ?? [], ...workload?.args ?? []];
    this.out.fields([
      ["name", manifest.name],
      ["version", manifest.version],
      ["enabled", manifest.enabled ? "yes" : { text: "no", style: "yellow" }],
      ["runtime", runtime],
      ["artifact", plugin && artifactWord(plugin)],
      ["cpus", String(resources.cpu_cores)],
      ["memory", formatMib(resources.memory_mb)],
      ["command", command.map(shellWord).join(" ")],
      ["network", network.mode],
      ["ports", network.expose.map(({ port }) => port).join(", ")],
      ["VMs", plugin?.vms.join(", ")],
      ["installed", plugin?.installed_at],
      ["updated", plugin?.updated_at],
    ]);
  },
});

/** As one would type it. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", "'\\''")}'`;
}
