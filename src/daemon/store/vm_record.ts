/**
 * What a VM is, as created, in a file beside its disks: `vms/ID/vm.json`.
 *
 * The database says the same and more; this is for the day it is lost. It is
 * written before a create is answered, and is the first thing a deletion
 * removes: a VM whose record is there is one that nobody deleted.
 *
 * @module
 */

import { makeDir, writeFileAtomic } from "../../lib/files.ts";
import type { Vm } from "../vm/vm.ts";
import type { Row } from "./database.ts";

export type VmRecord = Pick<
  Vm,
  "id" | "name" | "config" | "artifacts" | "lease" | "hypervisor" | "createdAt"
>;

const FORMAT = 1;

/** Of the VM with that folder. */
export function vmRecordPath(vmFolder: string): string {
  return `${vmFolder}/vm.json`;
}

/** Throws the faults of a disk. */
export async function writeVmRecord(
  stateDir: string,
  { id, name, config, artifacts, lease, hypervisor, createdAt }: VmRecord,
): Promise<void> {
  const record: VmRecord = {
    ...{ id, name, config, artifacts, lease, hypervisor, createdAt },
  };
  const folder = `${stateDir}/vms/${id}`;
  // A VMM that runs as somebody else passes through.
  await makeDir(`${stateDir}/vms`, 0o711);
  await makeDir(folder, 0o711);
  const text = JSON.stringify({ format: FORMAT, ...record }, undefined, 2);
  // Its name may still be lost in a power cut; the next daemon writes it again,
  // out of the row that was on the disk before.
  await writeFileAtomic(vmRecordPath(folder), `${text}\n`);
}

/** The row such a record stands for, but for its status; undefined if it cannot be read. */
export function readVmRecord(stateDir: string, id: number): Row | undefined {
  try {
    const path = vmRecordPath(`${stateDir}/vms/${id}`);
    const record = JSON.parse(Deno.readTextFileSync(path));
    if (record.format !== FORMAT || record.id !== id) return undefined;
    return {
      id,
      name: record.name,
      config: JSON.stringify(record.config),
      artifacts: JSON.stringify(record.artifacts),
      lease: JSON.stringify(record.lease),
      hypervisor: record.hypervisor,
      created_at: record.createdAt,
      updated_at: record.createdAt,
    };
  } catch {
    // Not there, or damaged as well: there is nothing to take from it.
    return undefined;
  }
}

/** Also one that cannot be looked at: only what is known to be gone was deleted. */
export function hasVmRecord(stateDir: string, id: number): boolean {
  try {
    Deno.lstatSync(vmRecordPath(`${stateDir}/vms/${id}`));
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound) &&
      !(error instanceof Deno.errors.NotADirectory);
  }
}
