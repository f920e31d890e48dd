/**
 * What the folders of VMs tell, where the database does not: which there are,
 * and which ids were ever given.
 *
 * @module
 */

import type { Folders } from "../../lib/folders.ts";
import type { Row } from "./database.ts";
import { hasVmRecord, readVmRecord } from "./vm_record.ts";
import { damagedColumns } from "./whole_row.ts";

export type StoreFolders = Pick<Folders, "stateDir" | "runtimeDir">;

/** Ids of the VMs whose record lies beside their disks. */
export function recordedIds({ stateDir }: StoreFolders): number[] {
  return idsIn(`${stateDir}/vms`).filter((id) => hasVmRecord(stateDir, id));
}

/** The highest id that any folder of a VM has, in use or not; 0 if there is none. */
export function highestId({ stateDir, runtimeDir }: StoreFolders): number {
  return [
    `${stateDir}/vms`,
    `${stateDir}/forgotten`,
    `${runtimeDir}/vms`,
  ].flatMap(idsIn).reduce((high, id) => Math.max(high, id), 0);
}

/**
 * The row a record stands for; undefined if it is not there, or damaged. Whether
 * it ran, its run directory tells: one that was stopped has none.
 */
export function rebuiltVm(
  { stateDir, runtimeDir }: StoreFolders,
  id: number,
): Row | undefined {
  const row = readVmRecord(stateDir, id);
  if (row === undefined) return undefined;
  const status = isFolder(`${runtimeDir}/vms/${id}`) ? "running" : "stopped";
  const rebuilt = { ...row, status, wanted: status };
  return damagedColumns("vms", rebuilt).length === 0 ? rebuilt : undefined;
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Folders are called by the VM's id, and `ID-TIME` once they are forgotten. */
function idsIn(folder: string): number[] {
  try {
    return [...Deno.readDirSync(folder)]
      .map(({ name }) => /^([1-9]\d{0,14})(?:-\d+)?$/.exec(name)?.[1])
      .flatMap((id) => id === undefined ? [] : [Number(id)]);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
