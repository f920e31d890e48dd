/**
 * How the parts of a VM are said to a person.
 *
 * @module
 */

import type { BootPhases, PublishedPort, VmExit, VmView } from "../api/vms.ts";
import { formatMilliseconds, plain } from "./format.ts";
import type { Cell, Style } from "./output.ts";

const STYLES: Readonly<Partial<Record<VmView["status"], Style>>> = {
  running: "green",
  starting: "yellow",
  stopping: "yellow",
  paused: "yellow",
  crashed: "red",
};

/** The state, with the health where there is a check, and what is to come. */
export function statusCell(
  { status, health, restarting_at }: Pick<
    VmView,
    "status" | "health" | "restarting_at"
  >,
): Cell {
  const isChecked = status === "running" && health !== "none";
  const text = isChecked
    ? `${status} (${health})`
    : restarting_at !== undefined
    ? `${status} (restarting)`
    : status;
  const style = isChecked && health === "unhealthy" ? "red" : STYLES[status];
  return style === undefined ? text : { text, style };
}

/** `127.0.0.1:8080->80`, with `/udp` where it is not TCP. */
export function publishedPort(
  { host_ip, host_port, port, protocol }: PublishedPort,
): string {
  const host = host_ip?.includes(":") ? `[${host_ip}]` : host_ip;
  const suffix = protocol === "udp" ? "/udp" : "";
  return `${host ?? "127.0.0.1"}:${host_port}->${port}${suffix}`;
}

/** `exited with status 3`, `guest-panic: Kernel panic ...`. */
export function exitSentence(
  { cause, status, forced, detail }: VmExit,
): string {
  const words = [cause];
  const isSaid = detail?.includes(`status ${status}`) === true;
  if (status !== undefined && !isSaid) words.push(`with status ${status}`);
  if (forced) words.push("(it had to be forced)");
  const sentence = words.join(" ");
  return detail ? `${sentence}: ${plain(detail)}` : sentence;
}

export interface PhaseRow {
  readonly phase: string;
  readonly ends: string;
  readonly took: string;
  readonly since: string;
}

/** The phases of a boot that have ended, in order. */
export function phaseRows(boot: BootPhases): PhaseRow[] {
  const phases = [
    ["request", "VMM spawned", boot.vmm_ms],
    ["kernel", "shim started", boot.kernel_ms],
    ["shim", "workload started", boot.workload_ms],
    ["workload", "first healthy answer", boot.healthy_ms],
  ] as const;
  const rows: PhaseRow[] = [];
  let before = 0;
  for (const [phase, ends, at] of phases) {
    if (at === undefined) continue;
    rows.push({
      phase,
      ends,
      took: formatMilliseconds(at - before),
      since: formatMilliseconds(at),
    });
    before = at;
  }
  return rows;
}

/**
 * Status to end the CLI with for a VM that has ended: its workload's. One that
 * was asked to stop and did so without telling a status gives 0.
 */
export function endedStatus(exit: VmExit | undefined): number {
  if (exit?.status !== undefined) return exit.status;
  return exit?.cause === "stopped" && !exit.forced ? 0 : NO_STATUS;
}

/** A guest that panicked or was killed, or whose VMM failed, leaves no status. */
const NO_STATUS = 70;

/** Of the workload inside its guest, and of the machine in a row. */
export function restartsText(
  { restarts, machine_restarts }: Pick<VmView, "restarts" | "machine_restarts">,
): string {
  return machine_restarts === 0
    ? String(restarts)
    : `${restarts}, and ${machine_restarts} of the machine`;
}

/** What has become of a VM: `web is running`. */
export function isNow(name: string, vm: VmView | undefined): string {
  if (vm === undefined) return name;
  const exit = vm.exit !== undefined && vm.status === "crashed"
    ? `: ${exitSentence(vm.exit)}`
    : "";
  return `${name} is ${vm.status}${exit}`;
}

/** The kernel's command line without the encoded manifest, which nobody reads. */
export function shortKernelLine(line: string): string {
  return line.replaceAll(
    /(^|\s)volant\.manifest=(\S+)/g,
    (_, before: string, value: string) =>
      `${before}volant.manifest=(${value.length} bytes)`,
  );
}
