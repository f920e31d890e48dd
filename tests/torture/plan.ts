/**
 * What is done in one round, chosen by chance out of what can be done now. A plan
 * is plain data, so that it can be printed, and done again.
 */

import { type FaultName, faultWeights } from "./faults.ts";
import type { Driver } from "./host.ts";
import { KINDS, type Spec } from "./guests.ts";
import { isOpen, type Known, type Model } from "./model.ts";
import type { Operation, OperationName } from "./operations.ts";
import type { Random } from "./random.ts";

/** When a fault strikes: at a step of the operation, or after a while. */
export type Point =
  | { readonly step: string }
  | { readonly afterMs: number };

export interface Plan {
  readonly operation: Operation;
  readonly fault: FaultName;
  /** Strikes so long before it. */
  readonly also?: { readonly fault: FaultName; readonly beforeMs: number };
  /** It is taken away no earlier than so long after it. */
  readonly lastsMs?: number;
  /** VM whose machine the fault is about. */
  readonly victim: string;
  readonly point: Point;
  /** If the daemon ends: what comes before the next one serves. */
  readonly next: {
    readonly delayMs: number;
    /** Strikes while there is no daemon. */
    readonly meanwhile: FaultName;
    readonly meanwhileVictim: string;
    /** Where the next one is killed, too. */
    readonly again?: Point;
  };
  /** Something else that is asked at the same time. */
  readonly second?: Operation;
}

const NAMES = ["a", "b", "c", "d", "e"];
const PORT = 18_000;
/** Longer than most operations take. */
const MOMENT_MS = 700;
const RECONCILE_MS = 500;
const DELAY_MS = 1500;
const BEFORE_MS = 1500;
const LASTS_MS = 2500;
const KILLS = ["kill-monitor", "kill-vmm", "kill-workload"] as const;

/** Steps by the operation they were seen in; `reconcile` are those of a start. */
export type KnownSteps = ReadonlyMap<string, ReadonlySet<string>>;

export function choosePlan(
  { random, model, steps, driver }: {
    readonly random: Random;
    readonly model: Model;
    readonly steps: KnownSteps;
    readonly driver: Driver;
  },
): Plan {
  const operation = chooseOperation(random, model, []);
  const names = [...model.vms.keys()];
  const other = () =>
    names.length === 0 ? operation.target : random.pick(names);
  const isSecond = random.chance(0.2);
  return {
    operation,
    fault: random.weighted(faultWeights(driver)),
    victim: random.chance(0.7) ? operation.target : other(),
    point: choosePoint(random, steps.get(operation.name), MOMENT_MS),
    ...(random.chance(0.15) && {
      also: { fault: random.pick(KILLS), beforeMs: random.below(BEFORE_MS) },
    }),
    ...(random.chance(0.15) && { lastsMs: random.below(LASTS_MS) }),
    next: {
      delayMs: random.chance(0.3) ? random.below(DELAY_MS) : 0,
      meanwhile: random.chance(0.25) ? random.pick(KILLS) : "nothing",
      meanwhileVictim: other(),
      ...(random.chance(0.3) && {
        again: choosePoint(random, steps.get("reconcile"), RECONCILE_MS),
      }),
    },
    ...(isSecond && {
      second: chooseOperation(random, model, [operation.target]),
    }),
  };
}

function choosePoint(
  random: Random,
  steps: ReadonlySet<string> = new Set(),
  limitMs: number,
): Point {
  if (steps.size > 0 && random.chance(0.7)) {
    return { step: random.pick([...steps].sort()) };
  }
  return { afterMs: random.below(limitMs) };
}

function chooseOperation(
  random: Random,
  model: Model,
  busy: readonly string[],
): Operation {
  const isFree = (name: string) => {
    const known = model.vms.get(name);
    return !busy.includes(name) && (known === undefined || !isOpen(known));
  };
  const free = NAMES.filter(isFree);
  if (free.length === 0) return { name: "nothing", target: "a" };
  if (random.chance(0.12)) {
    const target = random.pick(KINDS);
    if (!busy.includes(target)) {
      const isHere = model.plugins.get(target) === "here";
      const name = isHere && random.chance(0.5) ? "remove" : "install";
      return { name, target };
    }
  }
  const target = random.pick(free);
  const known = model.vms.get(target);
  if (known === undefined) {
    const name = random.chance(0.85) ? "create" : "create-only";
    return { name, target, spec: chooseSpec(random, model, target) };
  }
  return { name: random.weighted(weightsFor(known)), target };
}

/** Mostly what makes sense for it. */
function weightsFor(
  { isDown }: Known,
): Readonly<Partial<Record<OperationName, number>>> {
  return isDown
    ? { start: 8, restart: 2, delete: 4, stop: 1, backup: 1, nothing: 1 }
    : {
      ...{ stop: 5, kill: 2, restart: 4, delete: 3, start: 1 },
      ...{ backup: 2, nothing: 3 },
    };
}

function chooseSpec(random: Random, model: Model, name: string): Spec {
  const kind = random.weighted({
    overlay: 5,
    copy: 2,
    ephemeral: 1,
    memory: 2,
  });
  const network = random.weighted({ bridged: 5, user: 2, none: 2 });
  const isPublished = network !== "none" && random.chance(0.5);
  const isPlugin = model.plugins.get(kind) === "here" && random.chance(0.5);
  return {
    kind,
    network,
    ...(isPublished && { port: PORT + NAMES.indexOf(name) }),
    restart: random.weighted({ no: 3, "on-failure": 2, always: 2 }),
    autoRemove: random.chance(0.1),
    ...(isPlugin && { plugin: kind }),
  };
}
