/**
 * Does jobs together: those that come while others are being done wait, and are
 * then done in one go.
 *
 * Starting a program costs more than what it does for one VM, and two at once
 * would get in each other's way.
 *
 * @module
 */

/** Done: undefined; else what went wrong with that job alone. */
export type JobResult = Error | undefined;

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

interface Waiting<Job> {
  readonly job: Job;
  readonly done: PromiseWithResolvers<void>;
}

export class Batches<Job> {
  readonly #work: (jobs: readonly Job[]) => Promise<readonly JobResult[]>;
  #waiting: Waiting<Job>[] = [];
  #isWorking = false;

  /** `work` gives one result per job; what it throws befalls all of them. */
  constructor(work: (jobs: readonly Job[]) => Promise<readonly JobResult[]>) {
    this.#work = work;
  }

  async run(job: Job): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ job, done });
    if (!this.#isWorking) this.#drain();
    await done.promise;
  }

  async #drain(): Promise<void> {
    this.#isWorking = true;
    // All that start in one turn of the event loop go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#do(batch);
    }
    this.#isWorking = false;
  }

  async #do(batch: readonly Waiting<Job>[]): Promise<void> {
    try {
      const results = await this.#work(batch.map(({ job }) => job));
      for (const [index, { done }] of batch.entries()) {
        const error = results[index];
        if (error === undefined) done.resolve();
        else done.reject(error);
      }
    } catch (error) {
      for (const { done } of batch) done.reject(error);
    }
  }
}
