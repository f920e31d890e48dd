/**
 * Copies what one VM keeps, as it is at one moment: nothing else changes the VM
 * meanwhile, and its machine, if it has one, stands still while its disks are
 * copied. They are then as a power cut would have left them.
 *
 * @module
 */

import { within } from "../../lib/deadline.ts";
import { Fault } from "../../lib/fault.ts";
import { isThere } from "../../lib/files.ts";
import type { Folders } from "../../lib/folders.ts";
import { step } from "../../lib/step.ts";
import type { Machine } from "../hypervisors/hypervisor.ts";
import type { VmStore } from "../store/vms.ts";
import type { VmService } from "../vm/service.ts";
import { isLive, type Vm } from "../vm/vm.ts";
import { vmDirs } from "../vm/vm_dirs.ts";
import { allocatedBytes, type Staging } from "./staging.ts";

export interface StageDeps {
  readonly folders: Folders;
  readonly store: VmStore;
  readonly vms: VmService;
}

/** A machine that ends while it is to be copied is waited for, then tried again. */
const TRIES = 5;
const END_MS = 60_000;

/**
 * A machine runs on after so long, whatever keeps this daemon: time for its
 * disks on a slow disk, and some for a busy host.
 */
const HOLD_MS = 60_000;
const COPIED_BYTES_PER_MS = 10_000;

/** What writers of whole files have not renamed yet; a lock of nobody's. */
const UNFINISHED_REGEXP = /\.new$/;

/**
 * `copied` into the staging folder of its id, `none` if it never kept anything,
 * `gone` if it was deleted since `vm` was read.
 */
export async function stageVm(
  { folders, store, vms }: StageDeps,
  vm: Pick<Vm, "id" | "name">,
  staging: Staging,
  signal: AbortSignal,
): Promise<"copied" | "none" | "gone"> {
  return await vms.alone(vm.name, async () => {
    const { stateDir, logDir } = vmDirs(folders, vm.id);
    const name = String(vm.id);
    for (let tries = 0; tries < TRIES; tries++) {
      signal.throwIfAborted();
      const now = store.find(vm.name);
      if (now?.id !== vm.id || now.deleting) return "gone";
      if (!await isThere(stateDir)) return "none";
      await staging.checkRoom([stateDir], `VM "${vm.name}"`);
      await staging.makeFolder(name, stateDir);
      const disks = filesIn(stateDir).filter((path) => path !== logDir);
      const machine = machineOf(vms, now);
      await staging.prepare(disks);
      const copied = await copyHeld(
        machine,
        await allocatedBytes(stateDir),
        async () => {
          await staging.copy(disks, name, signal);
          step("backup:disks-copied");
        },
      );
      if (!copied) continue;
      if (await isThere(logDir)) await copyLogs(staging, logDir, name, signal);
      return "copied";
    }
    throw new Fault(
      "timed-out",
      `Cannot back up VM "${vm.name}": its machine ends whenever it is to be copied`,
      { hint: `See volant vm get ${vm.name}, and try again when it is stable` },
    );
  });
}

/** Undefined when none runs. */
function machineOf(vms: VmService, vm: Vm): Machine | undefined {
  const machine = vms.live(vm)?.machine;
  if (machine !== undefined && machine.state.cause === undefined) {
    return machine;
  }
  if (machine !== undefined || !isLive(vm.status)) return undefined;
  throw new Fault(
    "wrong-state",
    `Cannot back up VM "${vm.name}": it cannot be told whether its machine runs`,
    { hint: `See volant vm get ${vm.name}, and try again when that is known` },
  );
}

/** Whether `copy` was done while nothing wrote; false: to be tried again. */
async function copyHeld(
  machine: Machine | undefined,
  bytes: number,
  copy: () => Promise<void>,
): Promise<boolean> {
  if (machine === undefined) {
    await copy();
    return true;
  }
  const longestMs = HOLD_MS + Math.ceil(bytes / COPIED_BYTES_PER_MS);
  using hold = await machine.hold(longestMs);
  if (hold === undefined) {
    await within(machine.ended, END_MS);
    return false;
  }
  step("backup:machine-held");
  await copy();
  const wasHeld = await hold.release();
  step("backup:machine-released");
  return wasHeld;
}

/** Of a machine that runs they go on: each file is copied as it is just then. */
async function copyLogs(
  staging: Staging,
  logDir: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  await staging.makeFolder(`${name}/logs`, logDir);
  for (const path of filesIn(logDir)) {
    try {
      await staging.copy([path], `${name}/logs`, signal);
    } catch (error) {
      // Rotated away since it was listed.
      if (await isThere(path)) throw error;
    }
  }
  step("backup:logs-copied");
}

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)]
    .filter(({ name }) => !UNFINISHED_REGEXP.test(name))
    .map(({ name }) => `${folder}/${name}`)
    .sort();
}
