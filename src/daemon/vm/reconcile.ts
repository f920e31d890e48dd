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
import { step } from "../../lib/step.ts";
import type { Machine } from "../hypervisors/hypervisor.ts";
import { adoptMachine } from "../machines/monitored_machine.ts";
import { graceMs } from "./boot_plan.ts";
import type { VmDeps } from "./deps.ts";
import type { VmKeeper } from "./keeper.ts";
import { isLive, type Vm } from "./vm.ts";
import { vmDirs } from "./vm_dirs.ts";

/** One VM may take so long. */
const ONE_VM_MS = 15_000;

export async function reconcile(
  deps: VmDeps,
  keeper: VmKeeper,
): Promise<void> {
  const vms = deps.vms.list();
  const found = await Promise.all(
    vms.filter(({ status }) => isLive(status))
      .map(async (vm) => ({ vm, machine: await adopted(deps, vm) })),
  );
  // Before any machine is followed: what ends from now on takes its part of the
  // network away by itself.
  await reconcileNetworks(
    deps,
    found.filter(({ machine }) =>
      machine !== undefined && machine.state.cause === undefined
    ).map(({ vm }) => vm),
  );
  step("reconcile:networks-made");
  await Promise.all(
    found.map(({ vm, machine }) =>
      within(takeUp(deps, keeper, vm, machine), ONE_VM_MS)
    ),
  );
  await endStrangers(deps, new Set(vms.map(({ id }) => String(id))));
  await removeForgottenState(deps, new Set(vms.map(({ id }) => String(id))));
  await deps.artifacts.collect(deps.isArtifactUsed);
}

/** The machine of a VM that should have one, if it has. */
async function adopted(
  { folders, log }: VmDeps,
  vm: Vm,
): Promise<Machine | undefined> {
  try {
    return await adoptMachine(vmDirs(folders, vm.id).run.path);
  } catch (error) {
    log.error("Cannot take up VM {vm}: {error}", { vm: vm.name, error });
    return undefined;
  }
}

async function reconcileNetworks(
  { networks, log }: VmDeps,
  running: readonly Vm[],
): Promise<void> {
  for (const network of Object.values(networks)) {
    const holders = running.filter(({ lease }) => lease.mode === network.mode);
    await network.reconcile(holders).catch((error: unknown) =>
      log.error("Cannot bring network {mode} in order: {error}", {
        mode: network.mode,
        error,
      })
    );
  }
}

async function takeUp(
  deps: VmDeps,
  keeper: VmKeeper,
  vm: Vm,
  machine: Machine | undefined,
): Promise<void> {
  const { run } = vmDirs(deps.folders, vm.id);
  if (machine === undefined) {
    const interrupted = vm.status === "starting";
    keeper.become(vm, "failed", {
      exit: {
        cause: interrupted ? "start-interrupted" : "monitor-lost",
        forced: false,
        detail: interrupted
          ? "the daemon ended before the machine was started"
          : "the host was restarted, or its run directory was removed",
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
