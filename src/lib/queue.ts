/**
 * Runs jobs one at a time per key, in the order they came.
 *
 * One queue per VM is what makes every change of a VM atomic to all others
 * without a lock anywhere else.
 *
 * @module
 */

import { Fault } from "./fault.ts";

/** More than this many waiting for one key means that something hangs. */
const WAITING_MAX = 64;

export class KeyedQueue<Key> {
  readonly #tails = new Map<Key, { count: number; last: Promise<unknown> }>();

  async run<T>(key: Key, job: () => Promise<T>): Promise<T> {
    const tail = this.#tails.get(key) ?? { count: 0, last: Promise.resolve() };
    if (tail.count >= WAITING_MAX) {
      throw new Fault(
        "wrong-state",
        `Cannot queue another change of "${key}": ${tail.count} already wait`,
        { hint: "Wait until those are done" },
      );
    }
    tail.count += 1;
    const result = tail.last.then(job);
    // The next job starts whether or not this one failed.
    tail.last = result.then(() => {}, () => {});
    this.#tails.set(key, tail);
    try {
      return await result;
    } finally {
      tail.count -= 1;
      if (tail.count === 0) this.#tails.delete(key);
    }
  }

  /** Resolves once nothing that was queued before is left. */
  async idle(): Promise<void> {
    await Promise.all([...this.#tails.values()].map(({ last }) => last));
  }
}
