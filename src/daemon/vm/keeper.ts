/**
 * Keeps the record of each VM true to its machine.
 *
 * One loop per running machine: each state that the monitor tells becomes a
 * move of the VM, its boot phases and an event. A record is read and written
 * without a pause in between, so nothing can come in the way; what needs time
 * (start, stop, delete) is done by `service.ts`, one after the other per VM.
 *
 * @module
 */

import type { VmEventType } from "../../api/events.ts";
import type { VmExit, VmStatus } from "../../api/vms.ts";
import { pause } from "../../lib/deadline.ts";
import { removeIfThere } from "../../lib/files.ts";
import { step } from "../../lib/step.ts";
import type { Machine } from "../hypervisors/hypervisor.ts";
import type { MachineState } from "../machines/machine_state.ts";
import type { VmChange } from "../store/vms.ts";
import { hasShim } from "./boot_plan.ts";
import type { VmDeps } from "./deps.ts";
import { type Health, healthTarget, watchHealth } from "./health.ts";
import { exitOf, phases } from "./observed.ts";
import { endedWell, planAfterEnd, type RestartPlan } from "./restart_policy.ts";
import { statusAfter, type Vm, type VmMove } from "./vm.ts";
import { vmDirs } from "./vm_dirs.ts";

/** What is known of a VM only while it has a machine. */
export interface Live {
  readonly machine: Machine;
  readonly health: "none" | Health;
  /** Resolves once the end of the machine stands in the record. */
  readonly settled: Promise<void>;
}

/** Pause before the end of a machine is written again. */
const RECORD_AGAIN_MS = 1000;

const EVENT_OF: Partial<Record<VmStatus, VmEventType>> = {
  starting: "VM_STARTING",
  running: "VM_RUNNING",
  stopping: "VM_STOPPING",
  stopped: "VM_STOPPED",
  crashed: "VM_CRASHED",
};

export class VmKeeper {
  readonly #deps: VmDeps;
  readonly #live = new Map<number, Live>();
  #changed = Promise.withResolvers<void>();
  /** VMs that a user stopped, where the disk had no room to say so. */
  readonly #stopAsked = new Set<number>();
  #ended: (vm: Vm) => void = () => {};
  #planned: (vm: Vm) => void = () => {};

  constructor(deps: VmDeps) {
    this.#deps = deps;
  }

  /** Has `tell` called whenever the end of a machine was written down. */
  onEnded(tell: (vm: Vm) => void): void {
    this.#ended = tell;
  }

  /** Has `tell` called whenever a record may say when the VM is started again. */
  onPlanned(tell: (vm: Vm) => void): void {
    this.#planned = tell;
  }

  live(vm: Pick<Vm, "id">): Live | undefined {
    return this.#live.get(vm.id);
  }

  /** Resolves at the next change of any VM. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Follows `machine` until it ends; returns at once. */
  follow(vm: Vm, machine: Machine): void {
    this.#stopAsked.delete(vm.id);
    const settled = this.#follow(vm, machine).catch((error) =>
      this.#deps.log.error("Cannot follow VM {vm}: {error}", {
        vm: vm.name,
        error,
      })
    );
    this.#live.set(vm.id, { machine, health: "none", settled });
  }

  /** Makes a move whose time it is; the record after it. */
  become(
    vm: Vm,
    move: VmMove,
    change: Omit<VmChange, "status" | "lease"> = {},
  ): Vm {
    const status = statusAfter(vm.status, move) ?? vm.status;
    const next = this.#deps.vms.update(vm, { ...change, status });
    if (status !== vm.status) this.#tell(next, EVENT_OF[status]);
    this.#told();
    return next;
  }

  /** Writes down that a VM's machine is gone, now or when there is room again. */
  async lost(vm: Vm, exit: VmExit): Promise<void> {
    for (let tries = 0;; tries++) {
      try {
        const lost = this.#becomeEnded(vm, "failed", exit, 0);
        this.#ended(lost);
        this.#planned(lost);
        return;
      } catch (error) {
        this.#cannotWrite(vm.name, tries, error);
        await pause(RECORD_AGAIN_MS);
        const now = this.#deps.vms.find(vm.name);
        if (now?.id !== vm.id || now.updatedAt !== vm.updatedAt) return;
      }
    }
  }

  /** Puts a record back as it was before a start that came to nothing. */
  restore(before: Vm): void {
    try {
      this.#restore(before);
    } catch (error) {
      this.#cannotWrite(before.name, 0, error);
      this.#restoreLater(before).catch((cause: unknown) =>
        this.#cannotWrite(before.name, 0, cause)
      );
    }
  }

  /** Else it would be said to start for ever. */
  async #restoreLater(before: Vm): Promise<void> {
    for (;;) {
      await pause(RECORD_AGAIN_MS);
      const now = this.#deps.vms.find(before.name);
      const isStill = now?.id === before.id && now.status === "starting" &&
        !this.#live.has(now.id);
      if (!isStill) return;
      try {
        return this.#restore(before);
      } catch {
        // Said already.
      }
    }
  }

  #restore(before: Vm): void {
    const { status, hypervisor, boot, exit } = before;
    const { kernelCmdline, wanted, bootId } = before;
    const { restarts, restartAt } = before;
    const now = this.#deps.vms.get(before.name);
    const vm = this.#deps.vms.update(now, {
      ...{ status, hypervisor, boot, exit, kernelCmdline, wanted, bootId },
      ...{ restarts, restartAt },
    });
    this.#tell(vm, EVENT_OF[status], "VM not started");
    this.#told();
    this.#planned(vm);
  }

  /** Writes down when a VM without a machine is started again, if ever. */
  plan(vm: Vm, plan: RestartPlan, wanted: Vm["wanted"] = vm.wanted): Vm {
    const next = this.#deps.vms.update(vm, { ...plan, wanted });
    this.#told();
    this.#planned(next);
    return next;
  }

  tellCreated(vm: Vm): void {
    this.#tell(vm, "VM_CREATED", "VM created");
    this.#told();
  }

  tellDeleted(vm: Vm): void {
    this.#tell(vm, "VM_DELETED", "VM deleted");
    this.#told();
  }

  /** Lets go of all machines; they run on. */
  release(): void {
    for (const { machine } of this.#live.values()) machine[Symbol.dispose]();
    this.#live.clear();
  }

  async #follow(holder: Vm, machine: Machine): Promise<void> {
    const { id, name } = holder;
    const end = new AbortController();
    let checking = false;
    for await (const state of machine.states()) {
      const vm = this.#deps.vms.find(name);
      if (vm === undefined || vm.id !== id) break;
      if (state.cause !== undefined) break;
      const next = await this.#observed(holder, machine);
      if (next?.status === "running" && !checking) {
        checking = true;
        this.#checkHealth(next, end.signal);
      }
    }
    const last = await machine.ended.finally(() => end.abort());
    await this.#settle(holder, last);
  }

  /** Writes down the latest there is; what cannot be written is tried again. */
  async #observed(
    { id, name }: Vm,
    machine: Machine,
  ): Promise<Vm | undefined> {
    for (let tries = 0; machine.state.cause === undefined; tries++) {
      const vm = this.#deps.vms.find(name);
      if (vm?.id !== id) return undefined;
      try {
        return this.#observe(vm, machine.state);
      } catch (error) {
        this.#cannotWrite(name, tries, error);
        await pause(RECORD_AGAIN_MS);
        if (!this.#live.has(id)) return undefined;
      }
    }
    return undefined;
  }

  /** A full disk, most likely: said once, for it may last. */
  #cannotWrite(name: string, tries: number, error: unknown): void {
    if (tries > 0) return;
    this.#deps.log.error("Cannot write the state of VM {vm}: {error}", {
      vm: name,
      error,
    });
  }

  #observe(vm: Vm, state: MachineState): Vm {
    const boot = phases(vm, state);
    // A guest without the shim says nothing; its machine runs, so it does.
    const isUp = state.guest === "started" || state.guest === "waiting" ||
      !hasShim(vm.config.manifest);
    if (isUp && vm.status === "starting") {
      return this.become(vm, "up", { boot });
    }
    if (JSON.stringify(boot) === JSON.stringify(vm.boot)) return vm;
    return this.#deps.vms.update(vm, { boot });
  }

  /** Writes down how it ended; only then is its run directory given up. */
  async #settle(holder: Vm, last: MachineState): Promise<void> {
    const { id, name } = holder;
    for (let tries = 0;; tries++) {
      try {
        this.#record(id, name, last);
        break;
      } catch (error) {
        // The run directory keeps the end as long.
        this.#cannotWrite(name, tries, error);
        await pause(RECORD_AGAIN_MS);
        if (!this.#live.has(id)) return;
      }
    }
    step("end:recorded");
    await this.#deps.networks[holder.lease.mode].detach(holder)
      .catch((error: unknown) =>
        this.#deps.log.error(
          "Cannot take VM {vm} off its network: {error}",
          { vm: name, error },
        )
      );
    step("end:network-detached");
    await removeIfThere(vmDirs(this.#deps.folders, id).run.path);
    step("end:run-directory-removed");
    this.#live.delete(id);
    this.#told();
    const now = this.#deps.vms.find(name);
    if (now?.id !== id) return;
    this.#ended(now);
    this.#planned(now);
  }

  #record(id: number, name: string, last: MachineState): void {
    const vm = this.#deps.vms.find(name);
    if (vm === undefined || vm.id !== id) return;
    const exit = exitOf(last);
    const boot = phases(vm, last);
    // It may have run for so short a while that its running was not seen.
    const ran = vm.status === "starting" && last.workloadAt !== undefined
      ? this.become(vm, "up", { boot })
      : vm;
    const ranMs = last.spawnedAt === undefined
      ? 0
      : Date.parse(exit.at) - last.spawnedAt;
    const move = endedWell(exit) ? "ended" : "failed";
    this.#becomeEnded(ran, move, exit, ranMs, boot);
  }

  /** The end and what the restart policy makes of it are one write. */
  #becomeEnded(
    vm: Vm,
    move: "ended" | "failed",
    exit: VmExit,
    ranMs: number,
    boot = vm.boot,
  ): Vm {
    const wanted = this.#stopAsked.has(vm.id) ? "stopped" : vm.wanted;
    const plan = planAfterEnd({ ...vm, wanted }, exit, ranMs);
    const ended = this.become(vm, move, { exit, boot, wanted, ...plan });
    if (plan.restartAt !== undefined) {
      this.#tell(
        ended,
        "VM_RESTARTING",
        `${sentence(ended)}; it is started again at ${plan.restartAt}`,
      );
    }
    return ended;
  }

  /** Remembers what could not be written: that a user wants this VM stopped. */
  stopAsked({ id }: Pick<Vm, "id">): void {
    this.#stopAsked.add(id);
  }

  #checkHealth(vm: Vm, signal: AbortSignal): void {
    const target = healthTarget(vm, this.#deps.networks);
    if (target === undefined) return;
    const tell = (health: "none" | Health) => {
      const live = this.#live.get(vm.id);
      if (live !== undefined) this.#live.set(vm.id, { ...live, health });
      this.#told();
    };
    // One that was taken up again was well, until a check says otherwise.
    const first = vm.boot?.healthy_ms === undefined ? "starting" : "healthy";
    tell(first);
    const changed = (health: Health) => {
      tell(health);
      const now = this.#deps.vms.find(vm.name);
      if (health !== "healthy" || now?.boot === undefined) return;
      if (now.boot.healthy_ms !== undefined) return;
      const healthy_ms = Date.now() - Date.parse(now.boot.requested_at);
      const boot = { ...now.boot, healthy_ms };
      this.#tell(this.#deps.vms.update(now, { boot }), "VM_HEALTHY");
    };
    watchHealth(target, first, changed, signal).catch((error) => {
      this.#deps.log.error("Cannot check the health of VM {vm}: {error}", {
        vm: vm.name,
        error,
      });
    });
  }

  #tell(vm: Vm, type: VmEventType | undefined, message?: string): void {
    if (type === undefined) return;
    const pid = this.#live.get(vm.id)?.machine.state.vmm?.pid;
    this.#deps.events.publish({
      type,
      name: vm.name,
      status: vm.status,
      ip_address: vm.lease.ip,
      mac_address: vm.lease.mac,
      ...(pid !== undefined && { pid }),
      message: message ?? sentence(vm),
    });
  }

  #told(): void {
    const told = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    told.resolve();
  }
}

function sentence({ status, exit }: Vm): string {
  if (status !== "stopped" && status !== "crashed") return `VM ${status}`;
  return exit === undefined
    ? `VM ${status}`
    : `VM ${status}: ${exit.detail ?? exit.cause}`;
}
