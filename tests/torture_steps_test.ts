/**
 * At every step of every operation the daemon stands still while something else
 * is killed: the machine's monitor, its VMM, the workload. Then it goes on, and
 * all must be true: `kill_steps_test.ts` does the same to the daemon itself, but
 * for operations that are quick enough to try with simulated guests only.
 *
 * The steps are not listed here: each operation is done once without a fault,
 * and those it went through are read off the daemon's log.
 */

import assert from "node:assert/strict";
import { type Case, runCaseOn } from "./torture/case.ts";
import type { FaultName } from "./torture/faults.ts";
import type { Spec } from "./torture/guests.ts";
import { Host } from "./torture/host.ts";
import type { Operation } from "./torture/operations.ts";
import type { Plan } from "./torture/plan.ts";
import { Random } from "./torture/random.ts";
import { runRound } from "./torture/round.ts";
import { prepare } from "./torture/truth.ts";
import { makeWorld, type World } from "./torture/world.ts";

const VICTIMS: readonly FaultName[] = [
  "kill-monitor",
  "kill-vmm",
  "kill-workload",
];

/** So often, at least, there is something to kill. */
const STRUCK_MIN = 50;

const SPEC: Spec = {
  kind: "overlay",
  network: "bridged",
  port: 18_000,
  restart: "no",
  autoRemove: false,
};

const CREATE: Operation = { name: "create", target: "v", spec: SPEC };
const STOP: Operation = { name: "stop", target: "v" };
const INSTALL: Operation = { name: "install", target: "overlay" };

interface Tried {
  /** What is done before, to have something that it can be done to. */
  readonly before: readonly Operation[];
  readonly operation: Operation;
  readonly faults: readonly FaultName[];
}

const KILL_DAEMON: readonly FaultName[] = ["kill-daemon"];

/** The daemon is killed in those that `kill_steps_test.ts` does not do. */
const OPERATIONS: readonly Tried[] = [
  { before: [], operation: CREATE, faults: VICTIMS },
  {
    before: [CREATE, STOP],
    operation: { name: "start", target: "v" },
    faults: VICTIMS,
  },
  { before: [CREATE], operation: STOP, faults: VICTIMS },
  {
    before: [CREATE],
    operation: { name: "restart", target: "v" },
    faults: [...KILL_DAEMON, ...VICTIMS],
  },
  {
    before: [CREATE],
    operation: { name: "delete", target: "v" },
    faults: VICTIMS,
  },
  {
    before: [CREATE],
    operation: { name: "backup", target: "v" },
    faults: [...KILL_DAEMON, ...VICTIMS],
  },
  { before: [], operation: INSTALL, faults: KILL_DAEMON },
  {
    before: [INSTALL],
    operation: { name: "remove", target: "overlay" },
    faults: KILL_DAEMON,
  },
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
  const { vms, plugins } = world.model;
  if (vms.has("v")) await prepare(world, { name: "delete", target: "v" });
  if (plugins.get("overlay") !== "here") return;
  await prepare(world, { name: "remove", target: "overlay" });
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
    ...await makeWorld(host),
    random: new Random(1),
  };
  let struck = 0;
  for (const tried of OPERATIONS) struck += await tryOperation(t, world, tried);
  assert.ok(struck > STRUCK_MIN, `only ${struck} times something was killed`);
});

async function tryOperation(
  t: Deno.TestContext,
  world: World,
  { before, operation, faults }: Tried,
): Promise<number> {
  const steps = await stepsOf(world, before, operation);
  assert.ok(steps.length >= 2, `${operation.name} has steps: ${steps}`);
  let struck = 0;
  for (const step of steps) {
    for (const fault of faults) {
      const plan = planOf(operation, fault, step);
      const isStruck = await strikeAt(t, world, { before, plan });
      // Where there is no machine, there is nothing of it to kill.
      if (!isStruck) break;
      struck++;
    }
  }
  return struck;
}

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
