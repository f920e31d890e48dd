/**
 * `volant vm list`: the virtual machines, a line each.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import {
  listVms,
  VM_STATUSES,
  type VmStatus,
  type VmView,
} from "../../api/vms.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help } from "../flags.ts";
import { formatAge, formatMib } from "../format.ts";
import { publishedPort, statusCell } from "../vm_text.ts";

interface Flags extends DaemonFlags {
  readonly status?: readonly VmStatus[];
  readonly quiet?: boolean;
}

export const vmList = buildCommand<Flags, [], Context>({
  docs: help({
    brief: "List virtual machines",
    examples: [
      ["volant vm list", "Show all, with addresses and published ports"],
      ["volant vm list --status running,crashed", "Show those in some states"],
      [
        "volant vm delete --force $(volant vm list -q)",
        "Delete them all, running or not",
      ],
    ],
  }),
  parameters: {
    flags: {
      ...DAEMON_FLAGS,
      status: {
        kind: "enum",
        values: VM_STATUSES,
        optional: true,
        variadic: ",",
        placeholder: "STATUS",
        brief: "Only those in these states, separated by commas",
      },
      quiet: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print names only",
      },
    },
    aliases: { q: "quiet" },
  },
  async func({ socket, json, status, quiet }) {
    using client = this.connect(socket);
    const vms = await client.call(
      listVms,
      status === undefined ? {} : { status: status.join(",") },
    );
    if (json) return this.out.json(vms);
    if (quiet) return vms.forEach(({ name }) => this.out.line(name));
    const now = Date.now();
    this.out.table(
      ["NAME", "STATUS", "IP", "CPUS", "MEMORY", "PORTS", "RESTARTS", "AGE"],
      vms.map((vm) => row(vm, now)),
    );
  },
});

function row(
  vm: VmView,
  nowMs: number,
): Parameters<Context["out"]["table"]>[1][number] {
  return [
    vm.name,
    statusCell(vm),
    vm.ip_address || "-",
    String(vm.cpu_cores),
    formatMib(vm.memory_mb),
    vm.expose.map(publishedPort).join(", ") || "-",
    String(vm.restarts + vm.machine_restarts),
    formatAge(vm.created_at, nowMs),
  ];
}
