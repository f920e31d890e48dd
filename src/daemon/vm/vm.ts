/**
 * A virtual machine as the daemon knows it, and how its status may change.
 *
 *   pending --start--> starting --up--> running --stop--> stopping
 *                         |  |             |                 |
 *                         |  +----stop-----)---------> stopping
 *                         +-----ended/failed---------> stopped | crashed
 *
 * The table below is the whole truth; the picture only helps to read it.
 *
 * @module
 */

import type { BootPhases, VmConfig, VmExit, VmStatus } from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import type { NetworkLease } from "../networks/network.ts";

/** `found`: a machine runs that the record knew nothing of. */
export type VmMove = "start" | "found" | "up" | "stop" | "ended" | "failed";

export interface Vm {
  /** Never given to another VM, not even after this one's end. */
  readonly id: number;
  readonly name: string;
  readonly status: VmStatus;
  /** As created; its artifacts are named by digest in `artifacts`. */
  readonly config: VmConfig;
  readonly artifacts: VmArtifacts;
  readonly lease: NetworkLease;
  readonly hypervisor: string;
  /** Of the last start. */
  readonly kernelCmdline: string;
  readonly boot: BootPhases | undefined;
  readonly exit: VmExit | undefined;
  /** What was last asked for, whatever became of it since. */
  readonly wanted: "running" | "stopped";
  /** Boot id of the host at the last start; empty: unknown, or none yet. */
  readonly bootId: string;
  /** Starts by the restart policy, in a row. */
  readonly restarts: number;
  /** When the restart policy starts it again; undefined: it does not. */
  readonly restartAt: string | undefined;
  /** Its deletion has begun; what is left of it is only good for removal. */
  readonly deleting: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Digests (`sha256:...`) of what this VM boots from. */
export interface VmArtifacts {
  readonly initramfs?: string;
  readonly rootfs?: string;
}

/** Every move a VM can make. A pair not listed here cannot happen. */
const MOVES: Record<VmStatus, Partial<Record<VmMove, VmStatus>>> = {
  pending: { start: "starting", found: "starting" },
  starting: {
    up: "running",
    stop: "stopping",
    ended: "stopped",
    failed: "crashed",
  },
  running: {
    stop: "stopping",
    ended: "stopped",
    failed: "crashed",
  },
  paused: { stop: "stopping", ended: "stopped", failed: "crashed" },
  stopping: { stop: "stopping", ended: "stopped", failed: "crashed" },
  stopped: { start: "starting", found: "starting" },
  crashed: { start: "starting", found: "starting" },
};

/** Whether there may be a machine for a VM of this status. */
export function isLive(status: VmStatus): boolean {
  return MOVES[status].ended !== undefined;
}

/** The status `move` leads to; undefined if it leads nowhere. */
export function statusAfter(
  status: VmStatus,
  move: VmMove,
): VmStatus | undefined {
  return MOVES[status][move];
}

/** As `statusAfter`, but a move that leads nowhere is a `wrong-state`. */
export function nextStatus(vm: Vm, move: VmMove): VmStatus {
  const status = statusAfter(vm.status, move);
  if (status !== undefined) return status;
  const allowed = (Object.keys(MOVES) as VmStatus[])
    .filter((from) => MOVES[from][move] !== undefined);
  throw new Fault(
    "wrong-state",
    `Cannot ${move} VM "${vm.name}": it is ${vm.status}, not ${
      allowed.join(" or ")
    }`,
    { details: { status: vm.status, allowed }, hint: hintFor(vm, move) },
  );
}

function hintFor(vm: Vm, move: VmMove): string | undefined {
  if (move === "stop") return "There is nothing to stop";
  if (move === "start") {
    return `It runs already; to begin anew: volant vm restart ${vm.name}`;
  }
  return undefined;
}
