/**
 * What the state of a machine means for the record of its VM: pure.
 *
 * @module
 */

import type { BootPhases, VmExit } from "../../api/vms.ts";
import type { MachineState } from "../machines/machine_state.ts";
import { endedWell } from "./restart_policy.ts";
import { isLive, type Vm } from "./vm.ts";

/** The boot phases with what the monitor knows of them. */
export function phases(
  { boot }: Pick<Vm, "boot">,
  { spawnedAt, kernelAt, workloadAt }: MachineState,
): BootPhases | undefined {
  if (boot === undefined) return undefined;
  const requested = Date.parse(boot.requested_at);
  const since = (at: number | undefined) =>
    at === undefined ? undefined : Math.round((at - requested) * 1000) / 1000;
  const times = {
    vmm_ms: since(spawnedAt),
    kernel_ms: since(kernelAt),
    workload_ms: since(workloadAt),
  };
  return {
    ...boot,
    ...Object.fromEntries(
      Object.entries(times).filter(([, ms]) => ms !== undefined),
    ),
  };
}

export function exitOf(state: MachineState): VmExit {
  return {
    cause: state.cause ?? "monitor-lost",
    ...(state.workloadStatus !== undefined && {
      status: state.workloadStatus,
    }),
    forced: state.forced,
    ...(state.detail !== undefined && { detail: state.detail }),
    at: new Date(state.endedAt ?? Date.now()).toISOString(),
  };
}

/**
 * The VM as it is: an end that cannot be written down, because the disk takes
 * no writes, is told all the same.
 */
export function asItIs(vm: Vm, state: MachineState | undefined): Vm {
  if (state?.cause === undefined || !isLive(vm.status)) return vm;
  const exit = exitOf(state);
  const status = endedWell(exit) ? "stopped" : "crashed";
  return { ...vm, status, exit, boot: phases(vm, state) };
}
