/**
 * The exit status of `volant run`, after Docker's rules.
 *
 * @module
 */

import type { VmExit } from "../api/vms.ts";

/** Volant's own failure, or a guest that never ran its workload or crashed. */
export const RUN_FAILED = 125;

/** As a shell reports a program that SIGKILL has ended. */
const KILLED = 137;

/**
 * The workload's status where it is known; else that of the signal by which the
 * user had it stopped.
 */
export function runStatus(
  exit: VmExit | undefined,
  signalStatus: number | undefined,
): number {
  if (exit?.status !== undefined) return exit.status;
  if (signalStatus !== undefined) return signalStatus;
  if (exit?.cause === "killed") return KILLED;
  if (exit?.cause === "stopped") return exit.forced ? KILLED : 0;
  return RUN_FAILED;
}

/** What the status alone does not say, if anything. */
export function runRemark(exit: VmExit | undefined): string | undefined {
  if (exit === undefined) return "its machine is gone";
  const { cause, status, detail } = exit;
  // Behind the status stands why the shim could not execute the workload.
  const reason = /status 12[67]: (.+)$/.exec(detail ?? "")?.[1];
  if (cause === "exited") return reason;
  if (cause === "stopped" || cause === "killed") return undefined;
  return detail ?? (status === undefined ? cause : undefined);
}
