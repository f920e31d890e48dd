/**
 * Removing VMs, to the end: an intent that was written down is carried out, now,
 * as soon as the disk takes writes again, or by the next daemon.
 *
 * @module
 */

import { pause, within } from "../../lib/deadline.ts";
import { Fault } from "../../lib/fault.ts";
import type { KeyedQueue } from "../../lib/queue.ts";
import { step } from "../../lib/step.ts";
import { releaseArtifacts } from "./create.ts";
import type { VmDeps } from "./deps.ts";
import type { VmKeeper } from "./keeper.ts";
import { isLive, type Vm } from "./vm.ts";
import { removeVmDirs, vmDirs } from "./vm_dirs.ts";

/** Pause before what could not be removed is tried again. */
const AGAIN_MS = 1000;
/** The end of a machine is written down at once, or, on a full disk, later. */
const SETTLE_MS = 5000;

export interface RemoverContext {
  readonly deps: VmDeps;
  readonly keeper: VmKeeper;
  /** All changes of one VM, by its name. */
  readonly queue: KeyedQueue<string>;
  /** Ends the trying when the daemon stops. */
  readonly signal: AbortSignal;
}

export class VmRemover {
  readonly #context: RemoverContext;
  /** Ids of VMs whose deletion is being tried again. */
  readonly #unfinished = new Set<number>();

  constructor(context: RemoverContext) {
    this.#context = context;
  }

  /** Finishes the deletions that an earlier daemon began. */
  async finishAll(): Promise<void> {
    const { deps, queue } = this.#context;
    for (const vm of deps.vms.list().filter(({ deleting }) => deleting)) {
      await queue.run(vm.name, () => this.remove(vm))
        .catch((error: unknown) => this.#cannot(vm, error));
    }
  }

  /** By whoever holds the VM's place in the queue. */
  async remove(vm: Vm): Promise<void> {
    // There may be no room to say it twice.
    if (!vm.deleting) this.#mark(vm);
    try {
      await this.#removeMarked(vm);
    } catch (error) {
      this.#finishLater(vm);
      throw error;
    }
  }

  /**
   * Ends the machine at once, not behind a stop that waits for its grace; what
   * cannot be written down is not begun.
   */
  async kill(vm: Vm): Promise<void> {
    this.#mark(vm);
    try {
      await this.#context.keeper.live(vm)?.machine.kill();
    } catch (error) {
      this.#finishLater(vm);
      throw error;
    }
  }

  #mark(vm: Vm): void {
    this.#context.deps.vms.markDeleting(vm);
    step("delete:recorded");
  }

  /** One whose first start came to nothing: that it stays is no answer. */
  async removeUnstarted(vm: Vm): Promise<void> {
    try {
      await this.remove(this.#context.deps.vms.get(vm.name));
    } catch (error) {
      this.#cannot(vm, error);
      this.#again(vm.name, () => this.removeIfUntouched(vm)).catch(() => {
        // The daemon stops: the next one finds what is left.
      });
    }
  }

  /** Unless somebody else started it since. */
  async removeIfUntouched({ id, name, boot }: Vm): Promise<void> {
    const vm = this.#context.deps.vms.find(name);
    if (vm?.id !== id || isLive(vm.status)) return;
    if (vm.boot?.requested_at === boot?.requested_at) await this.remove(vm);
  }

  /** Unless it has a machine again. */
  async removeIfOver({ id, name }: Pick<Vm, "id" | "name">): Promise<void> {
    const { deps, queue } = this.#context;
    await queue.run(name, async () => {
      const vm = deps.vms.find(name);
      if (vm?.id === id && !isLive(vm.status)) await this.remove(vm);
    });
  }

  async #removeMarked(vm: Vm): Promise<void> {
    const { deps, keeper } = this.#context;
    const live = keeper.live(vm);
    if (live !== undefined) {
      await live.machine.kill();
      step("delete:killed");
      if (!await within(live.settled.then(() => true), SETTLE_MS)) {
        throw cannotSettle(vm);
      }
    }
    // The row goes last: whatever is interrupted here, the next daemon finds it.
    await removeVmDirs(vmDirs(deps.folders, vm.id));
    step("delete:folders-removed");
    deps.vms.delete(vm);
    step("delete:row-removed");
    await releaseArtifacts(deps, vm.artifacts);
    step("delete:artifacts-released");
    keeper.tellDeleted(vm);
  }

  #finishLater({ id, name }: Vm): void {
    if (this.#unfinished.has(id)) return;
    this.#unfinished.add(id);
    const finish = async () => {
      const vm = this.#context.deps.vms.find(name);
      if (vm?.id === id && vm.deleting) await this.#removeMarked(vm);
    };
    this.#again(name, finish).catch(() => {
      // The daemon stops: the next one finishes it.
    }).finally(() => this.#unfinished.delete(id));
  }

  /** Runs `job` until it does not throw, each time after a pause. */
  async #again(name: string, job: () => Promise<void>): Promise<void> {
    for (;;) {
      await pause(AGAIN_MS, this.#context.signal);
      const isDone = await this.#context.queue.run(name, job)
        .then(() => true, () => false);
      if (isDone) return;
    }
  }

  #cannot({ name }: Vm, error: unknown): void {
    this.#context.deps.log.error("Cannot remove VM {vm}: {error}", {
      vm: name,
      error,
    });
  }
}

function cannotSettle({ name }: Vm): Fault {
  return new Fault(
    "timed-out",
    `Cannot delete VM "${name}" now: the end of its machine cannot be written down`,
    { hint: "It is deleted as soon as the disk takes writes; see its log" },
  );
}
