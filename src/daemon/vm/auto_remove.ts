/**
 * Removes the VMs that asked for it once they have ended.
 *
 * Not at once: whoever runs such a VM in the foreground still has to learn its
 * exit status and read the rest of its output, and removes it then by itself.
 * This is for those nobody waits for, or whose client was killed.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";
import type { VmDeps } from "./deps.ts";
import { isLive, type Vm } from "./vm.ts";

type Ended = Pick<Vm, "id" | "name">;

const LINGER_MS = 5000;
/** Between two looks whether somebody still reads. */
const LOOK_MS = 1000;

export class AutoRemover {
  readonly #deps: VmDeps;
  readonly #remove: (vm: Ended) => Promise<void>;
  readonly #signal: AbortSignal;
  /** How many read from a VM just now, by its id. */
  readonly #readers = new Map<number, number>();

  /** Takes up the VMs that ended while no daemon ran. */
  constructor(
    deps: VmDeps,
    remove: (vm: Ended) => Promise<void>,
    signal: AbortSignal,
  ) {
    this.#deps = deps;
    this.#remove = remove;
    this.#signal = signal;
    for (const vm of deps.vms.list()) {
      // One that was to be started, and never was, is over, too.
      const isOver = vm.status === "pending"
        ? vm.boot !== undefined
        : !isLive(vm.status);
      if (isOver) this.ended(vm);
    }
  }

  /** Returns at once. */
  ended({ id, name }: Ended): void {
    const vm = this.#deps.vms.find(name);
    if (vm?.id !== id || vm.config.auto_remove !== true) return;
    this.#removeLater(vm).catch((error: unknown) => {
      if (this.#signal.aborted) return;
      this.#deps.log.error("Cannot remove VM {vm}: {error}", {
        vm: name,
        error,
      });
    });
  }

  hold({ id }: Pick<Vm, "id">): Disposable {
    this.#readers.set(id, (this.#readers.get(id) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#readers.get(id) ?? 1) - 1;
        if (left > 0) this.#readers.set(id, left);
        else this.#readers.delete(id);
      },
    };
  }

  async #removeLater(vm: Vm): Promise<void> {
    await pause(LINGER_MS, this.#signal);
    while (this.#readers.has(vm.id)) await pause(LOOK_MS, this.#signal);
    const now = this.#deps.vms.find(vm.name);
    // Started and ended again meanwhile, it has a time of its own.
    if (now?.exit?.at === vm.exit?.at) await this.#remove(vm);
  }
}
