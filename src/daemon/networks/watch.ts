/**
 * Does something again and again while it is asked to: the next time a while
 * after the last has ended. Keeps no process alive.
 *
 * @module
 */

export class Watch {
  readonly #everyMs: number;
  readonly #look: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOn = false;
  #isLooking = false;

  constructor(
    everyMs: number,
    look: () => Promise<void>,
    onError: (error: unknown) => void,
  ) {
    this.#everyMs = everyMs;
    this.#look = look;
    this.#onError = onError;
  }

  /** No error if it is on. */
  start(): void {
    this.#isOn = true;
    if (this.#timer === undefined && !this.#isLooking) this.#schedule();
  }

  stop(): void {
    this.#isOn = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    const timer = setTimeout(() => this.#run(), this.#everyMs);
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#isLooking = true;
    await this.#look().catch(this.#onError);
    this.#isLooking = false;
    if (this.#isOn) this.#schedule();
  }
}
