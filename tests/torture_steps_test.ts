/**
 * At every step of every operation the daemon stands still while something else
 * is killed: the machine's monitor, its VMM, the workload. Then it goes on, and
 * all must be true: `kill_steps_test.ts` does the same to the daemon itself.
 *
 * The steps are not listed here: each operation is done once without a fault,
 * and those it went through are read off the daemon's log.
 */

import assert from "node:assert/strict";
import { type Case, prepare, runCaseOn } from "./torture/case.ts";
import type { FaultName } from "./torture/faults.ts";
import type { Spec } from "./torture/guests.ts";
import { Host } from "./torture/host.ts";
import type { Operation } from "./torture/operations.ts";
import type { Plan } from "./torture/plan.ts";
import { Random } from "./torture/random.ts";
import { makeWorld, runRound, type World } from "./torture/round.ts";

const VICTIMS: readonly FaultName[] = [
  "kill-monitor",
  "kill-vmm",
  "kill-workload",
];

const SPEC: Spec = {
  kind: "overlay",
  network: "bridged",
  port: 18_000,
  restart: "no",
  autoRemove: false,
};

const CREATE: Operation = { name: "create", target: "v", spec: SPEC };
const STOP: Operation = { name: "stop", target: "v" };

/** What is done before, to have a VM that it can be done to; and then it. */
const OPERATIONS: readonly (readonly Operation[])[] = [
  [CREATE],
  [CREATE, STOP, { name: "start", target: "v" }],
  [CREATE, STOP],
  [CREATE, { name: "restart", target: "v" }],
  [CREATE, { name: "delete", target: "v" }],
];

function planOf(operation: Operation, fault: FaultName, step: string): Plan {
  return {
    operation,
    fault,
    victim: "v",
    point: { step },
    next: { delayMs: 0, meanwhile: "nothing", meanwhileVictim: "v" },
  };
}

async function clear(world: World): Promise<void> {
  if (!world.model.vms.has("v")) return;
  await prepare(world, { name: "delete", target: "v" });
}

async function stepsOf(
  world: World,
  before: readonly Operation[],
  operation: Operation,
): Promise<string[]> {
  for (const each of before) await prepare(world, each);
  world.steps.delete(operation.name);
  const { wrong } = await runRound(world, planOf(operation, "nothing", "none"));
  assert.deepEqual(wrong, []);
  await clear(world);
  return [...world.steps.get(operation.name) ?? []];
}

Deno.test("monitor, VMM and workload killed at each step of an operation leave nothing, and lose nothing", async (t) => {
  await using host = await Host.create("simulated");
  const world = {
    ...await makeWorld(host, new Map()),
    random: new Random(1),
  };
  for (const operations of OPERATIONS) {
    const before = operations.slice(0, -1);
    const operation = operations.at(-1) ?? CREATE;
    const steps = await stepsOf(world, before, operation);
    assert.ok(steps.length >= 3, `${operation.name} has steps: ${steps}`);
    for (const step of steps) {
      for (const fault of VICTIMS) {
        const isStruck = await strikeAt(t, world, {
          before,
          plan: planOf(operation, fault, step),
        });
        // Where there is no machine, there is nothing of it to kill.
        if (!isStruck) break;
      }
    }
  }
});

async function strikeAt(
  t: Deno.TestContext,
  world: World,
  each: Case,
): Promise<boolean> {
  const { operation, fault, point } = each.plan;
  let isStruck = false;
  await t.step(
    `${operation.name}: ${fault} at ${JSON.stringify(point)}`,
    async () => {
      const outcome = await runCaseOn(world, each);
      isStruck = outcome.isStruck;
      assert.deepEqual(outcome.wrong, []);
      await clear(world);
    },
  );
  return isStruck;
}
