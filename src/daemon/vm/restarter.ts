/**
 * Starts VMs again whose record says when.
 *
 * The plan stands in the record, written together with the end it follows, so a
 * daemon that dies during the pause loses nothing: the next one goes on. A few
 * are started at a time, because after a reboot of the host all are due at once.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";
import { Slots } from "../../lib/slots.ts";
import type { VmDeps } from "./deps.ts";
import { PAUSE_MAX_MS } from "./restart_policy.ts";
import type { Vm } from "./vm.ts";

export type Due = Pick<Vm, "id" | "name" | "restartAt">;

const AT_A_TIME = 4;
/** Pause before a start that could not even be written down is tried again. */
const AGAIN_MS = 1000;

export class Restarter {
  readonly #deps: VmDeps;
  readonly #start: (due: Due) => Promise<void>;
  readonly #signal: AbortSignal;
  readonly #slots = new Slots(AT_A_TIME);

  /** `start` starts the VM if it still is to be, at that very time. */
  constructor(
    deps: VmDeps,
    start: (due: Due) => Promise<void>,
    signal: AbortSignal,
  ) {
    this.#deps = deps;
    this.#start = start;
    this.#signal = signal;
  }

  /** Takes up the plans that an earlier daemon made. */
  resume(): void {
    for (const vm of this.#deps.vms.list()) this.planned(vm);
  }

  /** Sees to it that the plan in `vm`, if there is one, is carried out; returns at once. */
  planned({ id, name, restartAt }: Due): void {
    if (restartAt === undefined) return;
    this.#startAt({ id, name, restartAt }, Date.parse(restartAt))
      .catch((error: unknown) => {
        if (!this.#signal.aborted) this.#cannot({ id, name, restartAt }, error);
      });
  }

  async #startAt(due: Due, atMs: number): Promise<void> {
    // A clock that was put back must not make it wait for longer.
    const left = Math.min(Math.max(atMs - Date.now(), 0), PAUSE_MAX_MS);
    await pause(left, this.#signal);
    for (let tries = 0;; tries++) {
      try {
        return await this.#slots.run(async () => {
          if (!this.#signal.aborted) await this.#start(due);
        });
      } catch (error) {
        if (this.#signal.aborted) return;
        // A full disk, most likely: said once, for it may last.
        if (tries === 0) this.#cannot(due, error);
        await pause(AGAIN_MS, this.#signal);
      }
    }
  }

  #cannot({ name }: Due, error: unknown): void {
    this.#deps.log.error("Cannot start VM {vm} again: {error}", {
      vm: name,
      error,
    });
  }
}
