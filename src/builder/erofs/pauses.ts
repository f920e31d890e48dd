/**
 * Long work in memory, done so that the rest of the program goes on: now and
 * then it lets others run, and looks whether it is still wanted.
 *
 * @module
 */

/** Steps of work after which there is a pause; most take little time. */
const STEPS = 4096;

/** A pause comes earlier where steps take long, which is looked at now and then. */
const LOOK_STEPS = 64;
const WORK_MS = 20;

export class Pauses {
  readonly #signal: AbortSignal | undefined;
  #steps = 0;
  #since = performance.now();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** Counts a step; whether `pause` is to be awaited now. */
  isDue(): boolean {
    this.#steps += 1;
    if (this.#steps % LOOK_STEPS !== 0) return false;
    return this.#steps % STEPS === 0 ||
      performance.now() - this.#since > WORK_MS;
  }

  /** Lets others run; throws if the work was broken off. */
  async pause(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#since = performance.now();
    this.#signal?.throwIfAborted();
  }
}
