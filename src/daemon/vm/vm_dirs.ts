/**
 * The folders of one VM: its run directory and what it keeps.
 *
 * @module
 */

import type { Folders } from "../../lib/folders.ts";
import { dirname, makeDir, removeIfThere, syncDir } from "../../lib/files.ts";
import { clearRunDir } from "../machines/clear_run_dir.ts";
import { type RunDir, runDir } from "../machines/run_dir.ts";
import { vmRecordPath } from "../store/vm_record.ts";

export interface VmDirs {
  readonly run: RunDir;
  /** Kept from create to delete. */
  readonly stateDir: string;
  readonly logDir: string;
  /** What the guest wrote over a root it shares with others. */
  readonly stateDisk: string;
  /** A root that is written in place. */
  readonly rootCopy: string;
}

export function vmDirs(
  { stateDir, runtimeDir }: Folders,
  vmId: number,
): VmDirs {
  const own = `${stateDir}/vms/${vmId}`;
  return {
    run: runDir(runtimeDir, vmId),
    stateDir: own,
    logDir: `${own}/logs`,
    stateDisk: `${own}/state.ext4`,
    rootCopy: `${own}/root.img`,
  };
}

/** A VMM that runs as somebody else passes through all but the logs. */
export async function makeVmDirs(
  { run, stateDir, logDir }: VmDirs,
): Promise<void> {
  await makeDir(run.path, 0o711);
  await makeDir(stateDir, 0o711);
  await makeDir(logDir, 0o700);
}

export async function removeVmDirs({ run, stateDir }: VmDirs): Promise<void> {
  await clearRunDir(run.path);
  // First: a VM whose record is there may be rebuilt, and must be whole then.
  await removeIfThere(vmRecordPath(stateDir));
  await removeIfThere(stateDir);
  // Before the row goes: a record that a power cut brought back would bring
  // the VM back, too.
  await syncDir(dirname(stateDir));
}
