/**
 * What can be done with VMs: the verbs the routes see.
 *
 * Every change of one VM runs in that VM's queue, so two of them never meet.
 * What a machine does by itself comes in through the keeper.
 *
 * @module
 */

import type { StopVmInput, WaitVmInput } from "../../api/vms.ts";
import { within } from "../../lib/deadline.ts";
import { Fault, isDiskFault } from "../../lib/fault.ts";
import { KeyedQueue } from "../../lib/queue.ts";
import { step } from "../../lib/step.ts";
import { AutoRemover } from "./auto_remove.ts";
import { graceMs } from "./boot_plan.ts";
import { insertVm, type ResolvedCreate } from "./create.ts";
import type { VmDeps } from "./deps.ts";
import type { Live, VmKeeper } from "./keeper.ts";
import { hostBootId } from "../machines/identity.ts";
import { NO_RESTART, planAgain, restartPolicy } from "./restart_policy.ts";
import { VmRemover } from "./remover.ts";
import { type Due, Restarter } from "./restarter.ts";
import { launchMachine } from "./start.ts";
import { isLive, nextStatus, type Vm } from "./vm.ts";
import { vmDirs } from "./vm_dirs.ts";
import { VmWaiter, type Waiting } from "./waiter.ts";

/** The end of a machine is written down at once, or, on a full disk, later. */
const SETTLE_MS = 5000;

export class VmService {
  readonly #deps: VmDeps;
  readonly #keeper: VmKeeper;
  readonly #queue = new KeyedQueue<string>();
  readonly #signal: AbortSignal;
  readonly #waiter: VmWaiter;
  readonly #autoRemover: AutoRemover;
  readonly #restarter: Restarter;
  readonly #remover: VmRemover;

  /** `signal` ends what still goes on when the daemon stops. */
  constructor(deps: VmDeps, keeper: VmKeeper, signal: AbortSignal) {
    this.#deps = deps;
    this.#keeper = keeper;
    this.#signal = signal;
    this.#waiter = new VmWaiter(deps, keeper, signal);
    this.#remover = new VmRemover({ deps, keeper, queue: this.#queue, signal });
    this.#autoRemover = new AutoRemover(
      deps,
      (vm) => this.#remover.removeIfOver(vm),
      signal,
    );
    this.#restarter = new Restarter(
      deps,
      (due) => this.#startAgain(due),
      signal,
    );
    keeper.onEnded((vm) => this.#autoRemover.ended(vm));
    keeper.onPlanned((vm) => this.#restarter.planned(vm));
  }

  list(): Vm[] {
    return this.#deps.vms.list();
  }

  get(name: string): Vm {
    return this.#deps.vms.get(name);
  }

  /** Finishes the deletions that an earlier daemon began. */
  async finishDeletions(): Promise<void> {
    await this.#remover.finishAll();
  }

  /** Starts by and by what the restart policies say, also of before. */
  resumeRestarts(): void {
    this.#restarter.resume();
  }

  live(vm: Vm): Live | undefined {
    return this.#keeper.live(vm);
  }

  /** Keeps a VM that goes by itself from going while it is still read from. */
  hold(vm: Vm): Disposable {
    return this.#autoRemover.hold(vm);
  }

  /** Runs `job` while nothing else changes the VM of that name. */
  async alone<T>(name: string, job: () => Promise<T>): Promise<T> {
    return await this.#queue.run(name, job);
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
        await this.#remover.removeUnstarted(made);
        throw error;
      });
    });
    if (input.start === false) return vm;
    try {
      return await this.#waiter.started(vm, input);
    } catch (error) {
      const ran = this.#deps.vms.find(vm.name)?.boot?.workload_ms !== undefined;
      if (error instanceof Fault && error.code === "boot-failed" && !ran) {
        await this.#queue.run(
          vm.name,
          () => this.#remover.removeIfUntouched(vm),
        );
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
    return await this.#waiter.started(vm, waiting);
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
      () => this.#stop(this.get(input.name), input, "stopped"),
    );
  }

  async restart(input: StopVmInput & Waiting): Promise<Vm> {
    const vm = await this.#queue.run(input.name, async () => {
      const before = this.get(input.name);
      const ended = isLive(before.status)
        ? await this.#stop(before, input, "running")
        : before;
      return await this.#start(ended, new Date());
    });
    return await this.#waiter.started(vm, input);
  }

  async delete(name: string, force: boolean): Promise<void> {
    const { id } = this.get(name);
    if (force) {
      await this.#remover.kill(this.get(name));
    }
    await this.#queue.run(name, async () => {
      const vm = this.get(name);
      // It went meanwhile, and the name is another's.
      if (vm.id !== id) return;
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
      await this.#remover.remove(vm);
    });
  }

  /** Throws `timed-out`; `wrong-state` when it can no longer come true. */
  async wait(input: WaitVmInput): Promise<Vm> {
    return await this.#waiter.until(input);
  }

  /** By the restart policy, unless somebody decided otherwise meanwhile. */
  async #startAgain({ id, name, restartAt }: Due): Promise<void> {
    await this.#queue.run(name, async () => {
      const vm = this.#deps.vms.find(name);
      const isStill = vm?.id === id && vm.restartAt === restartAt &&
        vm.wanted === "running" && !isLive(vm.status) && !vm.deleting;
      if (!isStill) return;
      this.#deps.log.info("Starting VM {vm} again", { vm: name });
      await this.#start(vm, new Date(), "policy").catch((error) => {
        // Not even that could be written down: it stays due.
        if (this.#deps.vms.find(name)?.restartAt === restartAt) throw error;
        // Memory or the disk, most likely: it is tried again, ever more seldom.
        this.#deps.log.error("Cannot start VM {vm} again: {error}", {
          vm: name,
          error,
        });
      });
    });
  }

  async #start(
    vm: Vm,
    requestedAt: Date,
    by: "user" | "policy" = "user",
  ): Promise<Vm> {
    if (vm.deleting) throw halfDeleted(vm);
    nextStatus(vm, "start");
    await this.#keeper.live(vm)?.settled;
    const bootId = await hostBootId();
    const starting = this.#keeper.become(vm, "start", {
      hypervisor: this.#deps.hypervisor.name,
      boot: { requested_at: requestedAt.toISOString() },
      exit: undefined,
      wanted: "running",
      bootId,
      restarts: by === "user" ? 0 : vm.restarts,
      restartAt: undefined,
    });
    step("start:recorded");
    try {
      const machine = await launchMachine(
        this.#deps,
        starting,
        this.#signal,
      );
      this.#keeper.follow(starting, machine);
      step("start:followed");
      return this.get(vm.name);
    } catch (error) {
      const plan = by === "user" ? {} : planAgain(vm.restarts, Date.now());
      this.#keeper.restore({ ...vm, ...plan });
      throw error;
    }
  }

  /** `wanted`: what the VM is to be after. */
  async #stop(
    vm: Vm,
    how: Partial<StopVmInput>,
    wanted: Vm["wanted"],
  ): Promise<Vm> {
    const comesBack = vm.wanted === "running" && restartPolicy(vm) !== "no";
    if (!isLive(vm.status) && comesBack) {
      const stopped = this.#keeper.plan(vm, NO_RESTART, wanted);
      step("stop:recorded");
      return stopped;
    }
    nextStatus(vm, "stop");
    const live = this.#keeper.live(vm);
    const stopping = this.#tryBecomeStopping(vm, wanted);
    step("stop:recorded");
    if (live === undefined) return this.#keeper.become(stopping, "failed");
    await this.#end(vm, live, how);
    return this.get(vm.name);
  }

  /** A disk without room, say, must not keep what fills it running. */
  #tryBecomeStopping(vm: Vm, wanted: Vm["wanted"]): Vm {
    try {
      return this.#keeper.become(vm, "stop", { wanted });
    } catch (error) {
      // One that is to run again would not be started.
      if (!isDiskFault(error) || wanted !== "stopped") throw error;
      this.#keeper.stopAsked(vm);
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
}

function halfDeleted({ name }: Vm): Fault {
  return new Fault(
    "wrong-state",
    `Cannot start VM "${name}": its deletion has begun`,
    { hint: `Finish it: volant vm delete ${name}` },
  );
}
