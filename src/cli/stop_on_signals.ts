/**
 * Turns signals into stops of a VM that is attached to: the first asks it to
 * end, the second ends it at once, the third leaves it as it is.
 *
 * A hang-up is not heard: it ends the command, and the VM runs on.
 *
 * @module
 */

import type { Client } from "../api/client.ts";
import { stopVm } from "../api/vms.ts";
import { Fault } from "../lib/fault.ts";
import { Interrupted } from "./context.ts";
import type { Output } from "./output.ts";
import { onSignals } from "./signals.ts";

export class VmStopper implements Disposable {
  readonly #client: Client;
  readonly #name: string;
  readonly #out: Output;
  readonly #signals: Disposable;
  readonly #leave = new AbortController();
  #times = 0;
  #status: number | undefined;
  #isCreated = false;
  #isOver = false;

  constructor(client: Client, name: string, out: Output) {
    this.#client = client;
    this.#name = name;
    this.#out = out;
    this.#signals = onSignals((status) => this.#hear(status));
  }

  /** Aborts when the VM is to be left as it is. */
  get signal(): AbortSignal {
    return this.#leave.signal;
  }

  /** 128 and the number of the first signal heard. */
  get status(): number | undefined {
    return this.#status;
  }

  /** From now on there is something to stop. */
  created(): void {
    this.#isCreated = true;
    if (this.#times > 0) this.#stop();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#signals[Symbol.dispose]();
  }

  #hear(status: number): void {
    this.#status ??= status;
    this.#times++;
    const name = this.#name;
    const isLast = this.#times > (this.#isCreated ? 2 : 1);
    if (isLast) {
      this.#out.note(`${name} is left as it is; see: volant vm get ${name}`);
      return this.#leave.abort(new Interrupted(status));
    }
    if (this.#times > 1) this.#out.note(`Ending ${name} at once ...`);
    else {this.#out.note(
        `Stopping ${name}; a second signal ends it at once ...`,
      );}
    if (this.#isCreated) this.#stop();
  }

  #stop(): void {
    const kill = this.#times > 1;
    this.#client.call(stopVm, { name: this.#name, ...(kill ? { kill } : {}) })
      .catch((error) => this.#cannotStop(error));
  }

  #cannotStop(error: unknown): void {
    const fault = Fault.from(error);
    const hasEnded = fault.code === "wrong-state" ||
      fault.code === "vm-not-found";
    if (this.#isOver || hasEnded) return;
    const name = this.#name;
    this.#out.note(`${fault.message}; ${name} may run on`);
    this.#leave.abort(new Interrupted(this.#status ?? 1));
  }
}
