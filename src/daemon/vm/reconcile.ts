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
import { removeIfThere } from "../../lib/files.ts";
import { step } from "../../lib/step.ts";
import type { Machine } from "../hypervisors/hypervisor.ts";
import { clearRunDir } from "../machines/clear_run_dir.ts";
import { hostBootId } from "../machines/identity.ts";
import { adoptMachine } from "../machines/monitored_machine.ts";
import { graceMs } from "./boot_plan.ts";
import type { VmDeps } from "./deps.ts";
import type { VmKeeper } from "./keeper.ts";
import { comesBack, NO_RESTART } from "./restart_policy.ts";
import { isLive, type Vm } from "./vm.ts";
import {
  endLostMonitors,
  endStrangers,
  removeUnfinished,
  runDirectories,
  setForgottenAside,
} from "./strangers.ts";
import { vmDirs } from "./vm_dirs.ts";

/** One VM may take so long. */
const ONE_VM_MS = 15_000;
/** Pause before a machine of which nothing could be told is looked for again. */
const LOOK_AGAIN_MS = 5000;
/** In place of the boot id in records out of a backup of VMs that ran. */
const RESTORED = "restored";

/** A VM that may have a machine, and what was found of that. */
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
  // Before anything is started in its place, and on its disk.
  await endLostMonitors(deps);
  const vms = deps.vms.list();
  await removeUnfinished(deps, vms);
  const runs = await runDirectories(deps);
  // A record may also be older than its machine: one out of a copy.
  const found = await Promise.all(
    vms.filter(({ id, status }) => isLive(status) || runs.has(String(id)))
      .map((vm) => find(deps, vm)),
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
  await endStrangers(deps, runs, owned);
  await planReturns(deps, keeper);
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
    const machine = await adoptMachine(run.path);
    // Whoever started it may have been killed before this.
    if (machine !== undefined) await removeIfThere(run.monitorConf);
    return { vm, machine: machine ?? "gone" };
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
    if (isLive(vm.status)) {
      await keeper.lost(vm, lostBy(vm, await hostBootId()));
    }
    await clearRunDir(vmDirs(deps.folders, vm.id).run.path);
    return;
  }
  if (!isLive(vm.status)) {
    return await takeUpUnexpected(deps, keeper, vm, machine);
  }
  deps.log.info("Took up VM {vm} again", { vm: vm.name });
  const { bootId } = machine.state;
  const now = vm.bootId === bootId ? vm : deps.vms.update(vm, { bootId });
  keeper.follow(now, machine);
  if (vm.status === "stopping") await machine.stop(graceMs(vm));
}

/** The machine of a VM that is said to have none. */
async function takeUpUnexpected(
  deps: VmDeps,
  keeper: VmKeeper,
  vm: Vm,
  machine: Machine,
): Promise<void> {
  const { cause, bootId } = machine.state;
  if (cause !== undefined) {
    // Its end was written down, and the daemon killed before this.
    using _ended = machine;
    await deps.networks[vm.lease.mode].detach(vm);
    await removeIfThere(vmDirs(deps.folders, vm.id).run.path);
    return;
  }
  deps.log.warn("VM {vm} runs, and was said to be {status}", {
    vm: vm.name,
    status: vm.status,
  });
  // What is being deleted is ended by that.
  const now = vm.deleting
    ? vm
    : keeper.become(vm, "found", { ...NO_RESTART, wanted: "running", bootId });
  keeper.follow(now, machine);
}

/** Plans the start of what ran before the host was started anew. */
async function planReturns(deps: VmDeps, keeper: VmKeeper): Promise<void> {
  const bootId = await hostBootId();
  for (const vm of deps.vms.list()) {
    if (isLive(vm.status) || vm.deleting || vm.restartAt !== undefined) {
      continue;
    }
    if (!comesBack(vm, bootId)) continue;
    try {
      keeper.plan(vm, { restarts: 0, restartAt: new Date().toISOString() });
    } catch (error) {
      cannotTakeUp(deps, vm, error);
    }
  }
  step("reconcile:returns-planned");
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

/** Why a VM that should have a machine has none. */
function lostBy({ status, bootId }: Vm, hostBootId: string): VmExit {
  const exit = (cause: string, detail: string): VmExit => ({
    cause,
    forced: false,
    detail,
    at: new Date().toISOString(),
  });
  if (bootId === RESTORED) {
    return exit("restored", "it ran when the backup was made");
  }
  if (bootId !== "" && bootId !== hostBootId) {
    return exit("host-rebooted", "the host was started anew");
  }
  if (status === "starting") {
    const why = "the daemon ended before the machine was started";
    return exit("start-interrupted", why);
  }
  return exit("monitor-lost", "its run directory is gone");
}
