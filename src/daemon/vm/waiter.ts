/**
 * Waits until VMs are as somebody wants them.
 *
 * It looks at the record after each change that the keeper tells, and gives up
 * when it can no longer come true, the time is over, or the daemon stops.
 *
 * @module
 */

import type { WaitFor, WaitVmInput } from "../../api/vms.ts";
import { within } from "../../lib/deadline.ts";
import { Fault } from "../../lib/fault.ts";
import type { VmDeps } from "./deps.ts";
import type { VmKeeper } from "./keeper.ts";
import { isLive, type Vm } from "./vm.ts";

const START_WAIT_SECONDS = 60;
const WAIT_SECONDS = 3600;

export interface Waiting {
  readonly wait?: WaitFor;
  readonly timeout?: number;
}

export class VmWaiter {
  readonly #deps: Pick<VmDeps, "vms">;
  readonly #keeper: VmKeeper;
  readonly #signal: AbortSignal;
  readonly #stopped: Promise<void>;

  /** `signal` ends all waiting when the daemon stops. */
  constructor(
    deps: Pick<VmDeps, "vms">,
    keeper: VmKeeper,
    signal: AbortSignal,
  ) {
    this.#deps = deps;
    this.#keeper = keeper;
    this.#signal = signal;
    this.#stopped = new Promise((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true })
    );
  }

  /** Throws `timed-out`; `wrong-state` when it can no longer come true. */
  async until(input: WaitVmInput): Promise<Vm> {
    const { name, for: wanted = "stopped", timeout = WAIT_SECONDS } = input;
    const { id } = this.#deps.vms.get(name);
    return await this.#until(name, timeout, wanted, () => {
      const vm = this.#same(id, name);
      const live = isLive(vm.status);
      if (wanted === "stopped" && vm.status !== "pending") {
        return live ? undefined : vm;
      }
      if (
        wanted !== "stopped" && vm.status === "running" &&
        this.#isAsWanted(vm, wanted)
      ) return vm;
      // The restart policy has another start in store.
      if (live || vm.restartAt !== undefined) return undefined;
      throw new Fault(
        "wrong-state",
        `Cannot wait until VM "${name}" is ${wanted}: it is ${vm.status}`,
        { hint: `Start it with volant vm start ${name}` },
      );
    });
  }

  /** Answers when the start that was begun got as far as was asked for. */
  async started(
    { id, name }: Vm,
    { wait = "running", timeout = START_WAIT_SECONDS }: Waiting,
  ): Promise<Vm> {
    if (wait === "none") return this.#deps.vms.get(name);
    return await this.#until(name, timeout, wait, () => {
      const vm = this.#same(id, name);
      if (vm.status === "running" && this.#isAsWanted(vm, wait)) return vm;
      if (isLive(vm.status)) return undefined;
      // A workload that ran and ended was started; that it failed is its own.
      if (vm.boot?.workload_ms !== undefined && wait === "running") return vm;
      throw notStarted(vm);
    });
  }

  #same(id: number, name: string): Vm {
    const vm = this.#deps.vms.get(name);
    if (vm.id === id) return vm;
    throw new Fault("vm-not-found", `Cannot find VM "${name}": it was deleted`);
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
      this.#signal.throwIfAborted();
      if (left <= 0) throw tooLong(name, wanted, seconds);
    }
  }
}

function tooLong(name: string, wanted: string, seconds: number): Fault {
  return new Fault(
    "timed-out",
    `Cannot wait longer until VM "${name}" is ${wanted}: ${seconds} s are over`,
    {
      hint:
        `Look at volant vm get ${name} and volant vm logs --source console ${name}, or give it more with --timeout`,
    },
  );
}

function notStarted({ name, exit }: Vm): Fault {
  const why = exit?.detail ?? exit?.cause ?? "its machine is gone";
  return new Fault("boot-failed", `Cannot start VM "${name}": ${why}`, {
    hint:
      `To keep its logs, create it with --no-start and start it; then volant vm logs --source console ${name}`,
    details: { cause: exit?.cause ?? null, status: exit?.status ?? null },
  });
}
