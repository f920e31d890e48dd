/**
 * What belongs to no VM: machines are ended, folders set aside.
 *
 * @module
 */

import { within } from "../../lib/deadline.ts";
import { makeDir, removeIfThere } from "../../lib/files.ts";
import { adoptMachine } from "../machines/monitored_machine.ts";
import type { VmDeps } from "./deps.ts";

/** A machine that is killed may take so long to end. */
const END_MS = 15_000;

function runsFolder({ folders }: VmDeps): string {
  return `${folders.runtimeDir}/vms`;
}

/** Names of the run directories there are. */
export async function runDirectories(deps: VmDeps): Promise<Set<string>> {
  const folder = runsFolder(deps);
  await makeDir(folder, 0o711);
  return new Set([...Deno.readDirSync(folder)].map(({ name }) => name));
}

/** Machines in run directories that belong to no VM. */
export async function endStrangers(
  deps: VmDeps,
  runs: ReadonlySet<string>,
  owned: ReadonlySet<string>,
): Promise<void> {
  for (const name of runs) {
    if (owned.has(name)) continue;
    const path = `${runsFolder(deps)}/${name}`;
    await endStranger(deps, path).catch((error: unknown) =>
      deps.log.error("Cannot end the machine in {path}: {error}", {
        path,
        error,
      })
    );
  }
}

async function endStranger({ log }: VmDeps, path: string): Promise<void> {
  log.warn("Ending the machine in {path}: no VM owns it", { path });
  const machine = await adoptMachine(path);
  if (machine !== undefined) {
    using held = machine;
    await held.kill();
    await within(held.ended, END_MS);
  }
  await removeIfThere(path);
}

/**
 * Folders of VMs that the database does not know. A deletion removes a VM's
 * folder before its row, so they are of a database that was lost, or replaced by
 * an older one: what guests wrote is not thrown away for that.
 */
export async function setForgottenAside(
  { folders, log }: VmDeps,
  owned: ReadonlySet<string>,
): Promise<void> {
  const folder = `${folders.stateDir}/vms`;
  await makeDir(folder, 0o711);
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (owned.has(name)) continue;
    const aside = `${folders.stateDir}/forgotten/${name}-${Date.now()}`;
    try {
      await makeDir(`${folders.stateDir}/forgotten`);
      await Deno.rename(`${folder}/${name}`, aside);
      log.warn("No VM owns {folder}: it was moved to {aside}", {
        folder: `${folder}/${name}`,
        aside,
      });
    } catch (error) {
      log.error("Cannot move {folder} aside: {error}", {
        folder: `${folder}/${name}`,
        error,
      });
    }
  }
}
