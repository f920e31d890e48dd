/**
 * All that a torture works with: a host, what must be true of it, and what was
 * counted.
 */

import { makeManifests, type Manifests } from "./guests.ts";
import type { Host } from "./host.ts";
import { Model } from "./model.ts";
import type { Random } from "./random.ts";

/** How often what was seen. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  toString(): string {
    return [...this.#counts].sort(([a], [b]) => a < b ? -1 : 1)
      .map(([what, count]) => `${what}: ${count}`).join(", ");
  }
}

export interface World {
  readonly host: Host;
  readonly model: Model;
  readonly manifests: Manifests;
  readonly random: Random;
  /** Steps by operation, as they are seen. */
  readonly steps: Map<string, Set<string>>;
  readonly tally: Tally;
  /** A line for each round on this host. */
  readonly history: string[];
}

/** A host with a daemon, and nothing asked of it. */
export async function makeWorld(
  host: Host,
  steps: Map<string, Set<string>> = new Map(),
  tally: Tally = new Tally(),
): Promise<Omit<World, "random">> {
  const manifests = await makeManifests(host);
  host.spawnDaemon();
  await host.daemonAnswers();
  return { host, model: new Model(), manifests, steps, tally, history: [] };
}

/** Steps that the log tells of since the last look, under that name. */
export function learnSteps({ host, steps }: World, name: string): void {
  const known = steps.get(name) ?? new Set();
  steps.set(name, known);
  for (
    const [, step = ""] of host.newLog().matchAll(
      /Step \\?"([\w-]+:[\w-]+)\\?"/g,
    )
  ) known.add(step);
}
