/**
 * A hundred machines: the next daemon takes all of them up as they are, for
 * little of its time, and nothing is left of them when they are deleted. Their
 * VMMs are simulated, all else is real.
 */

import assert from "node:assert/strict";
import {
  cpuMs,
  createMany,
  deleteAll,
  listAll,
  type ListedVm,
} from "./harness/fleet.ts";
import { simulatedManifest, startSimulated } from "./harness/simulated.ts";
import { filesBelow, type TmpVolant } from "./harness/tmp_volant.ts";

const COUNT = 100;
/** Killed while the daemon is away. */
const LOST = 7;

function pids(vms: readonly ListedVm[]): Map<string, number | undefined> {
  return new Map(vms.map(({ name, pid }) => [name, pid]));
}

/** CPU time a start takes until it serves; the machines run on meanwhile. */
async function startCost(volant: TmpVolant): Promise<number> {
  await volant.crashDaemon();
  return await cpuMs(volant.daemonPid);
}

/** The best of a few: what else the host does can only add to it. */
async function bestStartCost(volant: TmpVolant): Promise<number> {
  const costs: number[] = [];
  for (let round = 0; round < 3; round++) costs.push(await startCost(volant));
  return Math.min(...costs);
}

Deno.test("a hundred machines are taken up, told of truly, and gone when deleted", async (t) => {
  await using volant = await startSimulated();
  const manifest = await simulatedManifest(volant);
  const empty = await bestStartCost(volant);
  await createMany(volant, manifest, { count: COUNT });
  const before = await listAll(volant);
  assert.equal(before.length, COUNT);
  assert.ok(before.every(({ status }) => status === "running"));

  await t.step("the next daemon finds each as it was", async () => {
    await volant.crashDaemon();
    const after = await listAll(volant);
    assert.ok(after.every(({ status }) => status === "running"));
    assert.deepEqual(pids(after), pids(before));
  });

  await t.step(
    "a start with them costs little more than one without",
    async () => {
      const full = await bestStartCost(volant);
      // It is about a third more; twenty times as much would be a mistake.
      assert.ok(full < 4 * empty + 500, `${full} ms, and ${empty} ms without`);
    },
  );

  await t.step("what ended meanwhile is told apart from the rest", async () => {
    await volant.endDaemon("SIGKILL");
    const lost = before.slice(0, LOST);
    for (const { pid = 0 } of lost) Deno.kill(pid, "SIGKILL");
    await volant.startDaemon();
    const names = new Set(lost.map(({ name }) => name));
    for (const { name, status } of await listAll(volant)) {
      assert.equal(status, names.has(name) ? "crashed" : "running", name);
    }
    for (const name of names) {
      const { exit } = await volant.json("vm", "get", name);
      assert.equal(exit.cause, "vmm-crashed");
    }
  });

  await t.step("nothing is left of them", async () => {
    await deleteAll(volant);
    assert.deepEqual(await listAll(volant), []);
    assert.deepEqual(filesBelow(`${volant.stateDir}/vms`), []);
    assert.deepEqual(filesBelow(`${volant.runtimeDir}/vms`), []);
  });
});
