/**
 * Choices out of a seed: the same seed, the same choices (mulberry32).
 */

import assert from "node:assert/strict";

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    const { imul } = Math;
    let mixed = imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(part: number): boolean {
    return this.next() < part;
  }

  pick<T>(all: readonly T[]): T {
    const one = all[this.below(all.length)];
    assert.ok(one !== undefined, "there is something to pick from");
    return one;
  }

  /** One of the names, as often as its number says. */
  weighted<T extends string>(weights: Readonly<Partial<Record<T, number>>>): T {
    const names = Object.keys(weights) as T[];
    return this.pick(
      names.flatMap((name) => new Array<T>(weights[name] ?? 0).fill(name)),
    );
  }
}
