/**
 * Removals that must not fail for whom they are done: where the disk fails, they
 * are tried again until it does not.
 *
 * @module
 */

import { logger } from "../../lib/log.ts";

const AGAIN_MS = 1000;

export class Leftovers {
  readonly #log = logger("artifacts");
  readonly #againMs: number;
  readonly #left = new Map<string, () => Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(againMs = AGAIN_MS) {
    this.#againMs = againMs;
  }

  /** Resolves after the first attempt; `remove` may be called again later. */
  async remove(name: string, remove: () => Promise<void>): Promise<void> {
    try {
      await remove();
      this.#left.delete(name);
    } catch (error) {
      if (!this.#left.has(name)) {
        this.#log.warn("Cannot remove {name} yet: {error}", { name, error });
      }
      this.#left.set(name, remove);
      this.#tryLater();
    }
  }

  #tryLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#tryAgain(), this.#againMs);
    // What is left then is found by the next daemon.
    Deno.unrefTimer(this.#timer);
  }

  async #tryAgain(): Promise<void> {
    this.#timer = undefined;
    for (const [name, remove] of [...this.#left]) {
      await this.remove(name, remove);
    }
  }
}
