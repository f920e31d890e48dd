/**
 * Writes `monitor.conf`, which tells a monitor what to run; see docs/monitor.md.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";

export interface MonitorConf {
  /** The VMM's command; the first word is an absolute path. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Descriptor numbers the VMM finds its streams at. */
  readonly streams: Readonly<
    Partial<Record<"control" | "console" | "output", number>>
  >;
  readonly companion?: {
    readonly command: readonly string[];
    /** Descriptors that join VMM and companion. */
    readonly link: { readonly vmm: number; readonly companion: number };
  };
  /** A TAP device that is there, and the VMM's descriptor for it. */
  readonly tap?: { readonly vmm: number; readonly name: string };
  readonly runAs?: {
    readonly uid: number;
    readonly gid: number;
    readonly groups: readonly number[];
  };
  readonly logDir: string;
  readonly graceMs: number;
}

export function encodeMonitorConf(conf: MonitorConf): Uint8Array {
  const records: [string, string][] = [["version", "1"]];
  for (const word of conf.command) records.push(["arg", word]);
  for (const [name, value] of Object.entries(conf.env)) {
    records.push(["env", `${name}=${value}`]);
  }
  for (const [name, descriptor] of Object.entries(conf.streams)) {
    records.push(["stream", `${name} ${descriptor}`]);
  }
  if (conf.companion !== undefined) {
    const { command, link } = conf.companion;
    for (const word of command) records.push(["companion", word]);
    records.push(["link", `${link.vmm} ${link.companion}`]);
  }
  if (conf.tap !== undefined) {
    records.push(["tap", `${conf.tap.vmm} ${conf.tap.name}`]);
  }
  if (conf.runAs !== undefined) {
    const { uid, gid, groups } = conf.runAs;
    records.push(["uid", String(uid)], ["gid", String(gid)]);
    for (const group of groups) records.push(["group", String(group)]);
  }
  records.push(
    ["log_output", `${conf.logDir}/output.log`],
    ["log_console", `${conf.logDir}/console.log`],
    ["log_vmm", `${conf.logDir}/vmm.log`],
    ["grace_ms", String(conf.graceMs)],
  );
  return new TextEncoder().encode(records.map(record).join(""));
}

function record([key, value]: [string, string]): string {
  if (value.includes("\0")) {
    throw new Fault(
      "invalid-input",
      `Cannot start a VMM with ${key} "${value}": it has a NUL byte in it`,
    );
  }
  return `${key}=${value}\0`;
}
