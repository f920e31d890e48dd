/**
 * How plugins are said to a person, and what completion proposes of them.
 *
 * @module
 */

import { listPlugins, type PluginView } from "../api/plugins.ts";
import type { Context } from "./context.ts";
import { namesFrom } from "./proposals.ts";

const DIGITS_SHOWN = 12;

/** `initramfs 2cf24dba5fb0`, for each of its files. */
export function artifactWord({ artifacts }: PluginView): string {
  return Object.entries(artifacts)
    .map(([name, digest]) =>
      `${name} ${
        digest.slice("sha256:".length, "sha256:".length + DIGITS_SHOWN)
      }`
    ).join(", ");
}

/** `a still uses`, `a, b still use`; undefined for nobody. */
export function stillUse(vms: readonly string[]): string | undefined {
  if (vms.length === 0) return undefined;
  const verb = vms.length === 1 ? "uses" : "use";
  return `${vms.length === 1 ? "VM" : "VMs"} ${vms.join(", ")} still ${verb}`;
}

/** Names of installed plugins, for completion. */
export function pluginNames(this: Context): Promise<readonly string[]> {
  return namesFrom(
    this,
    async (client, signal) =>
      (await client.call(listPlugins, {}, signal)).plugins,
  );
}

export const ONE_PLUGIN = {
  kind: "tuple",
  parameters: [{
    parse: String,
    proposeCompletions: pluginNames,
    placeholder: "NAME",
    brief: "Name of the plugin",
  }],
} as const;

export const SEVERAL_PLUGINS = {
  kind: "array",
  minimum: 1,
  parameter: {
    parse: String,
    proposeCompletions: pluginNames,
    placeholder: "NAME",
    brief: "Names of the plugins, dealt with in turn",
  },
} as const;
