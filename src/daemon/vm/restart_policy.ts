/**
 * What the restart policy says of a VM whose machine has ended: pure, so that it
 * can be read and tested without one.
 *
 * The shim restarts a workload inside its guest by the same policy; here it is
 * the machine that ended, whatever the reason, or the host that was started anew.
 *
 * @module
 */

import type { VmExit } from "../../api/vms.ts";
import type { RestartPolicy } from "../../manifest/manifest.ts";
import type { Vm } from "./vm.ts";

/** First pause before a VM is started again; it doubles each time. */
const PAUSE_MS = 1000;
export const PAUSE_MAX_MS = 60_000;
/** A machine that ran so long has its next end forgiven. */
const FORGIVEN_AFTER_MS = 60_000;

/** Ends that are the host's doing: there is nothing to wait for. */
const HOST_ENDS: readonly string[] = ["host-rebooted", "restored"];

/** What a record says of the next start. */
export type RestartPlan = Pick<Vm, "restarts" | "restartAt">;

export const NO_RESTART: RestartPlan = { restarts: 0, restartAt: undefined };

/** A VM that is to be removed once it has ended is not started again. */
export function restartPolicy({ config }: Pick<Vm, "config">): RestartPolicy {
  if (config.auto_remove === true) return "no";
  return config.restart ?? config.manifest.workload?.restart ?? "no";
}

/** Asked for, or a workload that ended with 0; anything else is a crash. */
export function endedWell({ cause, status }: VmExit): boolean {
  return cause === "stopped" || cause === "killed" ||
    (cause === "exited" && (status ?? 0) === 0);
}

/** The plan after a machine that ran for `ranMs` ended. */
export function planAfterEnd(
  vm: Pick<Vm, "config" | "wanted" | "restarts">,
  exit: VmExit,
  ranMs: number,
): RestartPlan {
  const policy = restartPolicy(vm);
  const isDue = vm.wanted === "running" &&
    (policy === "always" || (policy === "on-failure" && !endedWell(exit)));
  if (!isDue) return NO_RESTART;
  if (HOST_ENDS.includes(exit.cause)) {
    return { restarts: 0, restartAt: exit.at };
  }
  const before = ranMs >= FORGIVEN_AFTER_MS ? 0 : vm.restarts;
  return planAgain(before, Date.parse(exit.at));
}

/** The plan after `before` starts in a row came to nothing. */
export function planAgain(before: number, nowMs: number): RestartPlan {
  const pause = Math.min(PAUSE_MS * 2 ** Math.min(before, 16), PAUSE_MAX_MS);
  return {
    restarts: before + 1,
    restartAt: new Date(nowMs + pause).toISOString(),
  };
}

/**
 * Whether a VM without a machine, and without a plan, comes back because the host
 * was started anew since it ran, or because its first start never came about.
 */
export function comesBack(
  vm: Pick<Vm, "config" | "status" | "wanted" | "bootId" | "exit">,
  hostBootId: string,
): boolean {
  const policy = restartPolicy(vm);
  if (vm.wanted !== "running" || policy === "no") return false;
  if (vm.status === "pending") return true;
  if (vm.bootId === "" || vm.bootId === hostBootId) return false;
  // What a policy of on-failure is for was done.
  const isDone = vm.exit?.cause === "exited" && endedWell(vm.exit);
  return policy === "always" || !isDone;
}
