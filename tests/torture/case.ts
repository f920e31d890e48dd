/**
 * A round on its own: what was there before it, and its plan. What a long run
 * finds is printed as one, and can be done again; once it is understood, it
 * becomes a test.
 */

import { type Driver, Host } from "./host.ts";
import type { Model } from "./model.ts";
import type { Operation } from "./operations.ts";
import type { Plan } from "./plan.ts";
import { Random } from "./random.ts";
import { type Outcome, runRound } from "./round.ts";
import { prepare } from "./truth.ts";
import { makeWorld, type World } from "./world.ts";

export interface Case {
  /** What makes the host what it was before. */
  readonly before: readonly Operation[];
  readonly plan: Plan;
}

/** What leads to the VMs and plugins that a model has now. */
export function caseNow({ vms, plugins }: Model, plan: Plan): Case {
  return {
    plan,
    before: [
      ...[...plugins].filter(([, presence]) => presence === "here")
        .map(([target]) => ({ name: "install", target }) as const),
      ...[...vms.values()].flatMap(({ name: target, spec, isDown }) => [
        { name: "create", target, spec } as const,
        ...(isDown ? [{ name: "stop", target } as const] : []),
      ]),
    ],
  };
}

/** What is wrong after it, on a host of its own. */
export async function runCase(
  driver: Driver,
  each: Case,
): Promise<readonly string[]> {
  await using host = await Host.create(driver);
  const world = await makeWorld(host);
  return (await runCaseOn({ ...world, random: new Random(1) }, each)).wrong;
}

export async function runCaseOn(
  world: World,
  { before, plan }: Case,
): Promise<Outcome> {
  for (const operation of before) await prepare(world, operation);
  return await runRound(world, plan);
}
