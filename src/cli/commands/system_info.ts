/**
 * `volant system info`: what the daemon is and what it looks after.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { getInfo, getSummary } from "../../api/system.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help } from "../flags.ts";

export const systemInfo = buildCommand<DaemonFlags, [], Context>({
  docs: help({
    brief: "Show the daemon's version, hypervisor, folders and counts",
    examples: [
      ["volant system info", "Show them"],
      [
        "volant system info --json | jq -r .hypervisor.accelerator",
        "kvm or tcg; none where no guest is real",
      ],
    ],
  }),
  parameters: { flags: DAEMON_FLAGS },
  async func({ socket, json }) {
    using client = this.connect(socket);
    const info = await client.call(getInfo, {});
    const summary = await client.call(getSummary, {});
    if (json) return this.out.json({ ...info, ...summary });
    const { name, version, machine, accelerator } = info.hypervisor;
    const hypervisor = [`${name} ${version}`, machine, how(accelerator)];
    const counts = Object.entries(summary.by_status)
      .filter(([, count]) => count > 0)
      .map(([status, count]) => `${count} ${status}`);
    this.out.fields([
      ["version", info.version],
      ["hypervisor", hypervisor.filter((word) => word).join(", ")],
      ["socket", info.api_listen_addr],
      ["state", info.state_dir],
      ["runtime", info.runtime_dir],
      ["vms", [String(summary.total_vms), ...counts].join(", ")],
    ]);
  },
});

function how(accelerator: string): string {
  return accelerator === "none"
    ? "for tests: no VM is real, or isolated"
    : accelerator;
}
