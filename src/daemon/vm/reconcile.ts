/**
 * Joins what should be with what is when the daemon starts.
 *
 * Machines outlived the last daemon; each is found by its run directory and
 * taken up again, with what happened to it meanwhile. A VM whose machine is
 * gone is marked so. A machine that no VM owns is ended. One VM that is hard
 * to deal with does not keep the others waiting.
 *
 * @module
 */

import { within } from "../../lib/deadline.ts";
import { makeDir, removeIfThere } from "../../lib/files.ts";
import { adoptMachine } from "../machines/monitored_machine.ts";
import type { VmDeps } from "./deps.ts";
import { graceMs } from "./boot_plan.ts";
import type { VmKeeper } from "./keeper.ts";
import { isLive, type Vm } from "./vm.ts";
import { vmDirs } from "./vm_dirs.ts";

/** One VM may take so long; it is taken up later, by its own loop. */
const ONE_VM_MS = 10_000;

export async function reconcile(
  deps: VmDeps,
  keeper: VmKeeper,
): Promise<void> {
  const vms = deps.vms.list();
  await Promise.all(
    vms.map((vm) => within(reconcileVm(deps, keeper, vm), ONE_VM_MS)),
  );
  await endStrangers(deps, new Set(vms.map(({ id }) => String(id))));
  await removeForgottenState(deps, new Set(vms.map(({ id }) => String(id))));
  await deps.artifacts.collect((digest) => deps.vms.usesArtifact(digest));
}

async function reconcileVm(
  deps: VmDeps,
  keeper: VmKeeper,
  vm: Vm,
): Promise<void> {
  const { run } = vmDirs(deps.folders, vm.id);
  if (!isLive(vm.status)) return;
  const machine = await adoptMachine(run.path);
  if (machine === undefined) {
    keeper.become(vm, "failed", {
      exit: {
        cause: "monitor-lost",
        forced: false,
        detail: "the host was restarted, or the start was interrupted",
        at: new Date().toISOString(),
      },
    });
    await removeIfThere(run.path);
    return;
  }
  deps.log.info("Took up VM {vm} again", { vm: vm.name });
  keeper.follow(vm, machine);
  if (vm.status === "stopping") await machine.stop(graceMs(vm));
}

/** Machines in run directories that belong to no VM. */
async function endStrangers(
  deps: VmDeps,
  owned: ReadonlySet<string>,
): Promise<void> {
  const folder = `${deps.folders.runtimeDir}/vms`;
  await makeDir(folder, 0o711);
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (owned.has(name)) continue;
    const path = `${folder}/${name}`;
    deps.log.warn("Ending the machine in {path}: no VM owns it", { path });
    const machine = await adoptMachine(path);
    if (machine !== undefined) {
      using held = machine;
      await held.kill();
      await within(held.ended, ONE_VM_MS);
    }
    await removeIfThere(path);
  }
}

/** Folders of VMs whose deletion, or creation, was interrupted. */
async function removeForgottenState(
  deps: VmDeps,
  owned: ReadonlySet<string>,
): Promise<void> {
  const folder = `${deps.folders.stateDir}/vms`;
  await makeDir(folder, 0o711);
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (!owned.has(name)) await removeIfThere(`${folder}/${name}`);
  }
}
