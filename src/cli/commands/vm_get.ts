/**
 * `volant vm get`: one virtual machine and its last boot.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { getVm, type VmView } from "../../api/vms.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help, ONE_NAME } from "../flags.ts";
import { formatMib } from "../format.ts";
import type { Output } from "../output.ts";
import {
  exitSentence,
  phaseRows,
  publishedPort,
  restartsText,
  shortKernelLine,
  statusCell,
} from "../vm_text.ts";

export const vmGet = buildCommand<DaemonFlags, [string], Context>({
  docs: help({
    brief: "Show one virtual machine",
    text:
      "Shows its resources, network and exit, and how long each phase of the last boot took.",
    examples: [
      ["volant vm get web", "Show the VM web"],
      ["volant vm get web --json | jq .boot", "Take the boot's times from it"],
    ],
  }),
  parameters: { flags: DAEMON_FLAGS, positional: ONE_NAME },
  async func({ socket, json }, name) {
    using client = this.connect(socket);
    const vm = await client.call(getVm, { name });
    if (json) return this.out.json(vm);
    show(vm, this.out);
  },
});

function show(vm: VmView, out: Output): void {
  out.fields([
    ["name", vm.name],
    ["status", statusCell(vm)],
    ["exit", vm.exit && `${exitSentence(vm.exit)}, at ${vm.exit.at}`],
    ["runtime", vm.runtime],
    ["cpus", String(vm.cpu_cores)],
    ["memory", formatMib(vm.memory_mb)],
    ["network", vm.network],
    ["ip", vm.ip_address],
    ["mac", vm.mac_address],
    ["ports", vm.expose.map(publishedPort).join(", ")],
    ["hypervisor", vm.hypervisor],
    ["pid", vm.pid?.toString()],
    ["wanted", vm.wanted],
    ["restarts", restartsText(vm)],
    ["starts again", vm.restarting_at],
    ["created", vm.created_at],
    ["updated", vm.updated_at],
    ["kernel line", shortKernelLine(vm.kernel_cmdline)],
  ]);
  if (vm.boot === undefined) return;
  out.line("");
  out.line(`Last boot, asked for at ${vm.boot.requested_at}:`);
  out.table(
    ["PHASE", "ENDS WITH", "TOOK", "SINCE REQUEST"],
    phaseRows(vm.boot).map(({ phase, ends, took, since }) => [
      phase,
      ends,
      took,
      since,
    ]),
  );
}
