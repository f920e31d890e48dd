/**
 * Serves the endpoints of the daemon itself.
 *
 * @module
 */

import { getHealth, getInfo, getStatus, getSummary } from "../../api/system.ts";
import {
  healthSchema,
  infoSchema,
  summarySchema,
} from "../../api/system_schema.ts";
import type { Folders } from "../../lib/folders.ts";
import type { Hypervisor } from "../hypervisors/hypervisor.ts";
import type { PluginRegistry } from "../plugins/registry.ts";
import type { VmService } from "../vm/service.ts";
import { type Route, route } from "./route.ts";

export interface SystemDeps {
  readonly version: string;
  readonly folders: Folders;
  readonly hypervisor: Hypervisor;
  readonly vms: VmService;
  readonly plugins: PluginRegistry;
}

export function systemRoutes(
  { version, folders, hypervisor, vms, plugins }: SystemDeps,
): Route[] {
  return [
    route(getHealth, healthSchema, () => ({ status: "ok" })),
    route(getStatus, healthSchema, () => ({ status: "ok" })),
    route(getInfo, infoSchema, async () => {
      const { path: _, ...info } = await hypervisor.probe();
      return {
        status: "ok" as const,
        version,
        api_listen_addr: `unix:${folders.socketPath}`,
        hypervisor: info,
        state_dir: folders.stateDir,
        runtime_dir: folders.runtimeDir,
      };
    }),
    route(getSummary, summarySchema, () => {
      const all = vms.list();
      const installed = plugins.list()
        .map(({ name, version, enabled }) => ({ name, version, enabled }));
      return {
        total_vms: all.length,
        by_status: count(all.map(({ status }) => status)),
        by_runtime: count(all.map(({ config }) => config.manifest.runtime)),
        total_plugins: installed.length,
        enabled_plugins: installed.filter(({ enabled }) => enabled).length,
        plugins: installed,
      };
    }),
  ];
}

function count(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) {
    const key = word.toLowerCase();
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
