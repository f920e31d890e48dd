/**
 * Serves the plugin endpoints.
 *
 * @module
 */

import {
  deletePlugin,
  getPlugin,
  getPluginManifest,
  installPlugin,
  listPlugins,
  type PluginView,
  setPluginEnabled,
} from "../../api/plugins.ts";
import {
  deletePluginSchema,
  getPluginSchema,
  installPluginSchema,
  listPluginsSchema,
  setPluginEnabledSchema,
} from "../../api/plugins_schema.ts";
import { Fault } from "../../lib/fault.ts";
import { checkManifest } from "../../manifest/parse.ts";
import type { Plugin } from "../plugins/plugin.ts";
import type { PluginRegistry } from "../plugins/registry.ts";
import { type Route, route } from "./route.ts";

/** `stop` ends what is being fetched when the daemon stops. */
export function pluginRoutes(
  plugins: PluginRegistry,
  stop: AbortSignal,
): Route[] {
  const view = (plugin: Plugin) => pluginView(plugin, plugins);
  return [
    route(listPlugins, listPluginsSchema, () => {
      const items = plugins.list().map(view);
      return { plugins: items.map(({ name }) => name), items };
    }),
    route(installPlugin, installPluginSchema, async (input) => {
      const manifest = checkManifest(input, "manifest");
      // It goes on when its asker goes: the server is not told of that once the
      // request had a body of any length (Deno 2.9).
      const { plugin, replaced } = await plugins.install(manifest, stop)
        .catch((error) => {
          throw stop.aborted ? interrupted(manifest.name, error) : error;
        });
      return {
        ...view(plugin),
        ...(replaced && { replaced: replaced.version }),
      };
    }),
    route(
      getPlugin,
      getPluginSchema,
      ({ plugin }) => plugins.get(plugin).manifest,
    ),
    route(getPluginManifest, getPluginSchema, ({ plugin }) => {
      const { enabled, manifest } = plugins.get(plugin);
      if (enabled) return manifest;
      throw new Fault(
        "plugin-disabled",
        `Cannot use plugin "${plugin}": it is disabled`,
        { hint: `Enable it with volant plugin enable ${plugin}` },
      );
    }),
    route(deletePlugin, deletePluginSchema, async ({ plugin }, context) => {
      const vms = plugins.usersOf(plugin);
      await plugins.remove(plugin);
      if (vms.length > 0) context.header("X-Volant-VMs", vms.join(", "));
    }),
    route(
      setPluginEnabled,
      setPluginEnabledSchema,
      ({ plugin, enabled }) => view(plugins.setEnabled(plugin, enabled)),
    ),
  ];
}

function pluginView(plugin: Plugin, plugins: PluginRegistry): PluginView {
  const { name, version, enabled, manifest, artifacts } = plugin;
  return {
    name,
    version,
    runtime: manifest.runtime,
    enabled,
    artifacts,
    vms: plugins.usersOf(name),
    installed_at: plugin.installedAt,
    updated_at: plugin.updatedAt,
  };
}

function interrupted(name: string, cause: unknown): Fault {
  return new Fault(
    "timed-out",
    `Cannot install plugin "${name}": the daemon stops`,
    { cause, hint: "Install it again" },
  );
}
