/**
 * What belongs to no VM: machines are ended, folders set aside.
 *
 * @module
 */

import { until } from "../../lib/deadline.ts";
import { makeDir, removeIfThere } from "../../lib/files.ts";
import { clearRunDir } from "../machines/clear_run_dir.ts";
import { isAlive, killProcess } from "../machines/identity.ts";
import { lostMonitors } from "../machines/lost_monitors.ts";
import type { VmDeps } from "./deps.ts";
import type { Vm } from "./vm.ts";
import { vmDirs } from "./vm_dirs.ts";

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
  await clearRunDir(path);
}

/** Machines that nothing names any more. */
export async function endLostMonitors(deps: VmDeps): Promise<void> {
  const lost = await lostMonitors(runsFolder(deps));
  for (const monitor of lost) {
    deps.log.warn("Ending monitor {pid}: its run directory {path} is gone", {
      pid: monitor.pid,
      path: monitor.runDir,
    });
    // It takes its machine along.
    await killProcess(monitor);
  }
  const gone = await until(async () => {
    const alive = await Promise.all(lost.map(isAlive));
    return alive.includes(true) ? undefined : true;
  }, END_MS);
  if (gone === undefined) {
    deps.log.error("A monitor that was killed does not end", {});
  }
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

/**
 * What an earlier daemon was writing into the folder of a VM when it was killed:
 * a copy of a root may be large, and its VM may not be started soon.
 */
export async function removeUnfinished(
  { folders, log }: VmDeps,
  vms: readonly Pick<Vm, "id">[],
): Promise<void> {
  for (const { id } of vms) {
    const { stateDir } = vmDirs(folders, id);
    try {
      for (const { name } of [...Deno.readDirSync(stateDir)]) {
        if (name.endsWith(".new")) await removeIfThere(`${stateDir}/${name}`);
      }
    } catch (error) {
      // One that was never started has none.
      if (error instanceof Deno.errors.NotFound) continue;
      log.error("Cannot clean up {folder}: {error}", {
        folder: stateDir,
        error,
      });
    }
  }
}
