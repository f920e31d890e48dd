/**
 * What can be done with VMs: the verbs the routes see.
 *
 * Every change of one VM runs in that VM's queue, so two of them never meet.
 * What a machine does by itself comes in through the keeper.
 *
 * @module
 */

import type { StopVmInput, WaitFor, WaitVmInput } from "../../api/vms.ts";
import { within } from "../../lib/deadline.ts";
import { Fault } from "../../lib/fault.ts";
import { KeyedQueue } from "../../lib/queue.ts";
import { step } from "../../lib/step.ts";
import { AutoRemover } from "./auto_remove.ts";
import { graceMs } from "./boot_plan.ts";
import { insertVm, releaseArtifacts, type ResolvedCreate } from "./create.ts";
import type { VmDeps } from "./deps.ts";
import type { Live, VmKeeper } from "./keeper.ts";
import { launchMachine } from "./start.ts";
import { isLive, nextStatus, type Vm } from "./vm.ts";
import { removeVmDirs, vmDirs } from "./vm_dirs.ts";

const START_WAIT_SECONDS = 60;
const WAIT_SECONDS = 3600;
/** The end of a machine is written down at once, or, on a full disk, later. */
const SETTLE_MS = 5000;

interface Waiting {
  readonly wait?: WaitFor;
  readonly timeout?: number;
}

export class VmService {
  readonly #deps: VmDeps;
  readonly #keeper: VmKeeper;
  readonly #queue = new KeyedQueue<string>();
  readonly #signal: AbortSignal;
  readonly #stopped: Promise<void>;
  readonly #autoRemover: AutoRemover;

  /** `signal` ends what still goes on when the daemon stops. */
  constructor(deps: VmDeps, keeper: VmKeeper, signal: AbortSignal) {
    this.#deps = deps;
    this.#keeper = keeper;
    this.#signal = signal;
    this.#stopped = new Promise((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true })
    );
    this.#autoRemover = new AutoRemover(
      deps,
      (vm) => this.#removeIfOver(vm),
      signal,
    );
    keeper.onEnded((vm) => this.#autoRemover.ended(vm));
  }

  list(): Vm[] {
    return this.#deps.vms.list();
  }

  get(name: string): Vm {
    return this.#deps.vms.get(name);
  }

  /** Finishes the deletions that an earlier daemon began. */
  async finishDeletions(): Promise<void> {
    for (const vm of this.list().filter(({ deleting }) => deleting)) {
      await this.#queue.run(vm.name, () => this.#remove(vm)).catch((error) =>
        this.#deps.log.error("Cannot finish deleting VM {vm}: {error}", {
          vm: vm.name,
          error,
        })
      );
    }
  }

  live(vm: Vm): Live | undefined {
    return this.#keeper.live(vm);
  }

  /** Keeps a VM that goes by itself from going while it is still read from. */
  hold(vm: Vm): Disposable {
    return this.#autoRemover.hold(vm);
  }

  logDir(vm: Vm): string {
    return vmDirs(this.#deps.folders, vm.id).logDir;
  }

  /**
   * Creates a VM and, unless told not to, starts it. When its workload was
   * never started, nothing is left of it.
   */
  async create(input: ResolvedCreate): Promise<Vm> {
    const requestedAt = new Date();
    const vm = await this.#queue.run(input.name, async () => {
      const made = await insertVm(
        this.#deps,
        input,
        input.start === false ? undefined : requestedAt,
        this.#signal,
      );
      this.#keeper.tellCreated(made);
      if (input.start === false) return made;
      return await this.#start(made, requestedAt).catch(async (error) => {
        await this.#remove(this.get(made.name));
        throw error;
      });
    });
    if (input.start === false) return vm;
    try {
      return await this.#awaitStart(vm, input);
    } catch (error) {
      const ran = this.#deps.vms.find(vm.name)?.boot?.workload_ms !== undefined;
      if (error instanceof Fault && error.code === "boot-failed" && !ran) {
        await this.#queue.run(vm.name, () => this.#removeIfUntouched(vm));
      }
      throw error;
    }
  }

  async start(name: string, waiting: Waiting = {}): Promise<Vm> {
    const requestedAt = new Date();
    const vm = await this.#queue.run(
      name,
      () => this.#start(this.get(name), requestedAt),
    );
    return await this.#awaitStart(vm, waiting);
  }

  async stop(input: StopVmInput): Promise<Vm> {
    const vm = this.get(input.name);
    const live = this.#keeper.live(vm);
    // One that is being stopped already is not waited for: this one may be
    // in more of a hurry.
    if (live !== undefined && vm.status === "stopping") {
      await this.#end(vm, live, input);
      return this.get(input.name);
    }
    return await this.#queue.run(
      input.name,
      () => this.#stop(this.get(input.name), input),
    );
  }

  async restart(input: StopVmInput & Waiting): Promise<Vm> {
    const vm = await this.#queue.run(input.name, async () => {
      const before = this.get(input.name);
      const ended = isLive(before.status)
        ? await this.#stop(before, input)
        : before;
      return await this.#start(ended, new Date());
    });
    return await this.#awaitStart(vm, input);
  }

  async delete(name: string, force: boolean): Promise<void> {
    // Not behind a stop that waits for its grace.
    if (force) await this.#keeper.live(this.get(name))?.machine.kill();
    await this.#queue.run(name, async () => {
      const vm = this.get(name);
      if (isLive(vm.status) && !force) {
        throw new Fault(
          "wrong-state",
          `Cannot delete VM "${name}": it is ${vm.status}`,
          {
            hint:
              `Stop it first, or force it: volant vm delete --force ${name}`,
          },
        );
      }
      await this.#remove(vm);
    });
  }

  /** Throws `timed-out`; `wrong-state` when it can no longer come true. */
  async wait(input: WaitVmInput): Promise<Vm> {
    const { name, for: wanted = "stopped", timeout = WAIT_SECONDS } = input;
    const { id } = this.get(name);
    return await this.#until(name, timeout, wanted, () => {
      const vm = this.get(name);
      if (vm.id !== id) {
        throw new Fault(
          "vm-not-found",
          `Cannot find VM "${name}": it was deleted`,
        );
      }
      const live = isLive(vm.status);
      if (wanted === "stopped" && vm.status !== "pending") {
        return live ? undefined : vm;
      }
      if (
        wanted !== "stopped" && vm.status === "running" &&
        this.#isAsWanted(vm, wanted)
      ) return vm;
      if (live) return undefined;
      throw new Fault(
        "wrong-state",
        `Cannot wait until VM "${name}" is ${wanted}: it is ${vm.status}`,
        { hint: `Start it with volant vm start ${name}` },
      );
    });
  }

  async #start(vm: Vm, requestedAt: Date): Promise<Vm> {
    if (vm.deleting) throw halfDeleted(vm);
    nextStatus(vm, "start");
    await this.#keeper.live(vm)?.settled;
    const starting = this.#keeper.become(vm, "start", {
      boot: { requested_at: requestedAt.toISOString() },
      exit: undefined,
    });
    step("start:recorded");
    try {
      const { machine, kernelCmdline } = await launchMachine(
        this.#deps,
        starting,
        this.#signal,
      );
      this.#keeper.follow(starting, machine);
      step("start:followed");
      return this.#deps.vms.update(this.get(vm.name), { kernelCmdline });
    } catch (error) {
      this.#keeper.restore(vm);
      throw error;
    }
  }

  async #stop(vm: Vm, how: Partial<StopVmInput>): Promise<Vm> {
    nextStatus(vm, "stop");
    const live = this.#keeper.live(vm);
    const stopping = this.#tryBecomeStopping(vm);
    step("stop:recorded");
    if (live === undefined) return this.#keeper.become(stopping, "failed");
    await this.#end(vm, live, how);
    return this.get(vm.name);
  }

  /** A disk without room must not keep what fills it running. */
  #tryBecomeStopping(vm: Vm): Vm {
    try {
      return this.#keeper.become(vm, "stop");
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "disk-full") throw error;
      return vm;
    }
  }

  async #end(
    vm: Vm,
    live: Live,
    { grace, kill }: Partial<StopVmInput>,
  ): Promise<void> {
    if (kill) await live.machine.kill();
    else {
      await live.machine.stop(
        grace === undefined ? graceMs(vm) : grace * 1000,
      );
    }
    step("stop:asked");
    await live.machine.ended;
    step("stop:ended");
    await within(live.settled, SETTLE_MS);
  }

  async #remove(vm: Vm): Promise<void> {
    this.#deps.vms.markDeleting(vm);
    step("delete:recorded");
    const live = this.#keeper.live(vm);
    if (live !== undefined) {
      await live.machine.kill();
      step("delete:killed");
      await live.settled;
    }
    // The row goes last: whatever is interrupted here, the next daemon finds it.
    await removeVmDirs(vmDirs(this.#deps.folders, vm.id));
    step("delete:folders-removed");
    this.#deps.vms.delete(vm);
    step("delete:row-removed");
    await releaseArtifacts(this.#deps, vm.artifacts);
    step("delete:artifacts-released");
    this.#keeper.tellDeleted(vm);
  }

  /** Unless somebody else started it since. */
  async #removeIfUntouched({ id, name, boot }: Vm): Promise<void> {
    const vm = this.#deps.vms.find(name);
    if (vm?.id !== id || isLive(vm.status)) return;
    if (vm.boot?.requested_at === boot?.requested_at) await this.#remove(vm);
  }

  async #removeIfOver({ id, name }: Pick<Vm, "id" | "name">): Promise<void> {
    await this.#queue.run(name, async () => {
      const vm = this.#deps.vms.find(name);
      if (vm?.id === id && !isLive(vm.status)) await this.#remove(vm);
    });
  }

  /** Answers when the start got as far as was asked for. */
  async #awaitStart(
    { id, name }: Vm,
    { wait = "running", timeout = START_WAIT_SECONDS }: Waiting,
  ): Promise<Vm> {
    if (wait === "none") return this.get(name);
    return await this.#until(name, timeout, wait, () => {
      const vm = this.get(name);
      if (vm.id !== id) {
        throw new Fault(
          "vm-not-found",
          `Cannot find VM "${name}": it was deleted`,
        );
      }
      if (vm.status === "running" && this.#isAsWanted(vm, wait)) return vm;
      if (isLive(vm.status)) return undefined;
      // A workload that ran and ended was started; that it failed is its own.
      if (vm.boot?.workload_ms !== undefined && wait === "running") return vm;
      throw notStarted(vm);
    });
  }

  #isAsWanted(vm: Vm, wanted: "running" | "healthy"): boolean {
    if (wanted === "running") return true;
    const health = this.#keeper.live(vm)?.health;
    return health === "healthy" || health === "none";
  }

  async #until(
    name: string,
    seconds: number,
    wanted: string,
    look: () => Vm | undefined,
  ): Promise<Vm> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const changed = this.#keeper.changed;
      const vm = look();
      if (vm !== undefined) return vm;
      const left = end - performance.now();
      await within(
        Promise.race([changed, this.#stopped]),
        Math.max(left, 0),
      );
      if (this.#signal.aborted) throw stopping();
      if (left <= 0) {
        throw new Fault(
          "timed-out",
          `Cannot wait longer until VM "${name}" is ${wanted}: ${seconds} s are over`,
          {
            hint:
              `Look at volant vm get ${name} and volant vm logs --source console ${name}, or give it more with --timeout`,
          },
        );
      }
    }
  }
}

function notStarted({ name, exit }: Vm): Fault {
  const why = exit?.detail ?? exit?.cause ?? "its machine is gone";
  return new Fault("boot-failed", `Cannot start VM "${name}": ${why}`, {
    hint:
      `To keep its logs, create it with --no-start and start it; then volant vm logs --source console ${name}`,
    details: { cause: exit?.cause ?? null, status: exit?.status ?? null },
  });
}

function halfDeleted({ name }: Vm): Fault {
  return new Fault(
    "wrong-state",
    `Cannot start VM "${name}": its deletion has begun`,
    { hint: `Finish it: volant vm delete ${name}` },
  );
}

function stopping(): Fault {
  return new Fault(
    "daemon-unavailable",
    "Cannot wait any longer: the daemon stops",
    { hint: "Ask again when it runs" },
  );
}
