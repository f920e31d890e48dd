/**
 * The boot config an artifact carries itself, so that it boots in any VMM with
 * no daemon: the manifest's workload, and nothing that only a host can know
 * (addresses, ports of the machine). A daemon's own boot config disk goes before it.
 *
 * @module
 */

import {
  BOOT_CONFIG_DEFAULTS,
  type BootConfig,
  type ResourceLimit,
} from "../guest/boot_config.ts";
import {
  type Manifest,
  type Workload,
  workloadCommand,
} from "../manifest/manifest.ts";
import { RLIMITS, signalNumber } from "../manifest/signals.ts";
import type { Ids } from "./users.ts";

const HOSTNAME_LENGTH_MAX = 63;

export function defaultBootConfig(
  manifest: Manifest,
  workload: Workload,
  ids: Ids,
): BootConfig {
  return {
    ...BOOT_CONFIG_DEFAULTS,
    hostname: hostname(manifest.name),
    args: workloadCommand(workload),
    env: workload.env,
    cwd: workload.workdir ?? "/",
    uid: ids.uid,
    gid: ids.gid,
    rlimits: limitsOf(workload),
    restart: workload.restart,
    stopSignal: signalNumber(workload.stop_signal) ??
      BOOT_CONFIG_DEFAULTS.stopSignal,
    graceMs: workload.grace_ms,
    manifest,
  };
}

/** The DNS label nearest to a plugin's name. */
function hostname(name: string): string {
  const label = name.toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-")
    .slice(0, HOSTNAME_LENGTH_MAX).replaceAll(/^-+|-+$/g, "");
  return label === "" ? BOOT_CONFIG_DEFAULTS.hostname : label;
}

function limitsOf({ rlimits }: Workload): ResourceLimit[] {
  const limits: ResourceLimit[] = [];
  for (const [name, resource] of Object.entries(RLIMITS)) {
    const limit = rlimits[name as keyof typeof RLIMITS];
    if (limit !== undefined) limits.push({ resource, ...limit });
  }
  return limits;
}
