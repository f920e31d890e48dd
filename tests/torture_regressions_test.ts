/**
 * What the torture found, each as a round of its own: an operation, a fault in
 * the middle of it, and then all must be true.
 */

import assert from "node:assert/strict";
import { runCaseOn } from "./torture/case.ts";
import type { FaultName } from "./torture/faults.ts";
import type { Spec } from "./torture/guests.ts";
import { Host } from "./torture/host.ts";
import type { Operation } from "./torture/operations.ts";
import type { Plan, Point } from "./torture/plan.ts";
import { Random } from "./torture/random.ts";
import { makeWorld } from "./torture/world.ts";

const SPEC: Spec = {
  kind: "overlay",
  network: "bridged",
  port: 18_000,
  restart: "no",
  autoRemove: false,
};
const CREATE: Operation = { name: "create", target: "v", spec: SPEC };
const RECORD: Operation = { name: "create-only", target: "v", spec: SPEC };
const INSTALL: Operation = { name: "install", target: "overlay" };

/** With what differs from the plainest of plans. */
function plan(
  operation: Operation,
  fault: FaultName,
  step: string,
  next: { readonly meanwhile?: FaultName; readonly again?: Point } = {},
  more: Pick<Plan, "also" | "lastsMs"> = {},
): Plan {
  const { target } = operation;
  return {
    ...{ operation, fault, victim: target, point: { step }, ...more },
    next: {
      ...{ delayMs: 0, meanwhile: "nothing", meanwhileVictim: target },
      ...next,
    },
  };
}

const nothing: Operation = { name: "nothing", target: "v" };
const start: Operation = { name: "start", target: "v" };
const stop: Operation = { name: "stop", target: "v" };
const remove: Operation = { name: "delete", target: "v" };
const backup: Operation = { name: "backup", target: "v" };
const uninstall: Operation = { name: "remove", target: "overlay" };

const CASES: Readonly<Record<string, readonly [readonly Operation[], Plan]>> = {
  "a start that fails because the disk does is undone once the disk is well": [
    [RECORD],
    plan(start, "read-only-disk", "start:recorded"),
  ],
  "a create that fails because the disk does is undone once the disk is well": [
    [],
    plan(CREATE, "read-only-disk", "start:recorded"),
  ],
  "a deletion is finished once the disk is well": [
    [CREATE],
    plan(remove, "read-only-disk", "delete:recorded"),
  ],
  "a deletion whose machine has ended is finished once the disk is well": [
    [CREATE],
    plan(remove, "read-only-disk", "detach:tap-removed"),
  ],
  "a deletion that the disk fails is an error that says so": [
    [CREATE],
    plan(remove, "failing-disk", "end:network-detached"),
  ],
  "a machine whose monitor has lost its socket can be stopped": [
    [CREATE],
    plan(stop, "remove-socket", "stop:recorded"),
  ],
  "a machine whose monitor has lost its socket can be deleted": [
    [CREATE],
    plan(remove, "remove-socket", "delete:recorded"),
  ],
  "a backup of a machine whose monitor has lost its socket ends": [
    [CREATE],
    plan(backup, "remove-socket", "backup:database-copied"),
  ],
  "a backup of a machine that has lost its run directory ends": [
    [CREATE],
    plan(backup, "remove-run-directory", "backup:database-copied"),
  ],
  "a deletion that a full disk broke off is finished": [
    [CREATE],
    plan(remove, "full-disk", "delete:recorded"),
  ],
  "a restart that is due while the disk fails comes once it is well": [
    [{ ...CREATE, spec: { ...SPEC, restart: "always" } }],
    plan(nothing, "read-only-disk", "none", {}, {
      also: { fault: "kill-vmm", beforeMs: 500 },
      lastsMs: 2500,
    }),
  ],
  "a machine that lost its socket while no daemon ran is taken up": [
    [CREATE],
    plan(nothing, "kill-daemon", "none", { meanwhile: "remove-socket" }),
  ],
  "a machine that lost its state while no daemon ran is taken up": [
    [CREATE],
    plan(nothing, "kill-daemon", "none", { meanwhile: "remove-state" }),
  ],
  "a machine that lost its run directory while no daemon ran is ended": [
    [CREATE],
    plan(nothing, "kill-daemon", "none", { meanwhile: "remove-run-directory" }),
  ],
  "a machine that lost its run directory is ended, or goes on": [
    [CREATE],
    plan(stop, "remove-run-directory", "stop:recorded"),
  ],
  "a start whose run directory is removed says so": [
    [RECORD],
    plan(start, "remove-run-directory", "start:network-attached"),
  ],
  "what is left of a machine goes, though the daemon that saw its end was killed":
    [
      [CREATE],
      plan(nothing, "kill-all", "none", { again: { step: "end:recorded" } }),
    ],
  "a daemon that is told to stop in the middle of a create says so": [
    [],
    plan(CREATE, "stop-daemon", "start:folders-made"),
  ],
  "a plugin's file that the disk refuses is an error that says so": [
    [],
    plan(INSTALL, "failing-disk", "artifacts:taken-in"),
  ],
  "a removed plugin's file goes once the disk is well": [
    [INSTALL],
    plan(uninstall, "read-only-disk", "plugins:row-removed"),
  ],
  "the files of a create that the disk refuses go once it is well": [
    [],
    plan(CREATE, "read-only-disk", "artifacts:placed"),
  ],
};

Deno.test("what random faults have found does not come back", async (t) => {
  for (const [name, [before, plan]] of Object.entries(CASES)) {
    await t.step(name, async () => {
      await using host = await Host.create("simulated");
      const world = await makeWorld(host);
      const { wrong } = await runCaseOn(
        { ...world, random: new Random(1) },
        { before, plan },
      );
      assert.deepEqual(wrong, []);
    });
  }
});
