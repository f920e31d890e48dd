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

import type { VmExit } from "../../api/vms.ts";
import { pause, within } from "../../lib/deadline.ts";
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
/** Pause before a machine of which nothing could be told is looked for again. */
const LOOK_AGAIN_MS = 5000;

/** A VM that should have a machine, and what was found of that. */
interface Found {
  readonly vm: Vm;
  /** `unknown`: it could not be told; nothing of it may be touched. */
  readonly machine: Machine | "gone" | "unknown";
}

/** Never fails for what one VM is to blame for. */
export async function reconcile(
  deps: VmDeps,
  keeper: VmKeeper,
  signal: AbortSignal,
): Promise<void> {
  const vms = deps.vms.list();
  const found = await Promise.all(
    vms.filter(({ status }) => isLive(status)).map((vm) => find(deps, vm)),
  );
  // Before any machine is followed: what ends from now on takes its part of the
  // network away by itself.
  await reconcileNetworks(deps, found.filter(mayRun).map(({ vm }) => vm));
  step("reconcile:networks-made");
  await Promise.all(
    found.map((each) =>
      within(takeUp(deps, keeper, each, signal), ONE_VM_MS)
        .catch((error: unknown) => cannotTakeUp(deps, each.vm, error))
    ),
  );
  const owned = new Set(vms.map(({ id }) => String(id)));
  await endStrangers(deps, owned);
  await setForgottenAside(deps, owned);
  await deps.artifacts.collect(deps.isArtifactUsed);
}

function mayRun({ machine }: Found): boolean {
  if (machine === "gone") return false;
  return machine === "unknown" || machine.state.cause === undefined;
}

async function find(deps: VmDeps, vm: Vm): Promise<Found> {
  try {
    const { run } = vmDirs(deps.folders, vm.id);
    return { vm, machine: await adoptMachine(run.path) ?? "gone" };
  } catch (error) {
    cannotTakeUp(deps, vm, error);
    return { vm, machine: "unknown" };
  }
}

function cannotTakeUp({ log }: VmDeps, vm: Vm, error: unknown): void {
  log.error("Cannot take up VM {vm}: {error}", { vm: vm.name, error });
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
  { vm, machine }: Found,
  signal: AbortSignal,
): Promise<void> {
  if (machine === "unknown") {
    lookAgain(deps, keeper, vm, signal).catch((error: unknown) => {
      if (!signal.aborted) cannotTakeUp(deps, vm, error);
    });
    return;
  }
  if (machine === "gone") {
    await keeper.lost(vm, lostBy(vm));
    await removeIfThere(vmDirs(deps.folders, vm.id).run.path);
    return;
  }
  deps.log.info("Took up VM {vm} again", { vm: vm.name });
  keeper.follow(vm, machine);
  if (vm.status === "stopping") await machine.stop(graceMs(vm));
}

/** In the background: its start may take longer, or descriptors be short. */
async function lookAgain(
  deps: VmDeps,
  keeper: VmKeeper,
  vm: Vm,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await pause(LOOK_AGAIN_MS, signal);
    const now = deps.vms.find(vm.name);
    if (now?.id !== vm.id || keeper.live(now) !== undefined) return;
    const found = await find(deps, now);
    if (found.machine === "unknown") continue;
    await takeUp(deps, keeper, found, signal);
    if (found.machine === "gone") {
      await deps.networks[now.lease.mode].detach(now);
    }
    return;
  }
}

function lostBy({ status }: Vm): VmExit {
  const interrupted = status === "starting";
  return {
    cause: interrupted ? "start-interrupted" : "monitor-lost",
    forced: false,
    detail: interrupted
      ? "the daemon ended before the machine was started"
      : "the host was restarted, or its run directory was removed",
    at: new Date().toISOString(),
  };
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
    await within(held.ended, ONE_VM_MS);
  }
  await removeIfThere(path);
}

/**
 * Folders of VMs that the database does not know. A deletion removes a VM's
 * folder before its row, so they are of a database that was lost, or replaced by
 * an older one: what guests wrote is not thrown away for that.
 */
async function setForgottenAside(
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
