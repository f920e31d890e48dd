/**
 * Machines outlive the daemon: it is killed and started again, and nothing of a
 * VM is lost.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "./harness/appliance.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until, untilGone } from "./harness/until.ts";

const TICKING = "n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.2; done";

Deno.test("a guest runs on while its daemon is killed, and is taken up again", async (t) => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "ticker",
    script: TICKING,
  });
  await volant.run(
    "vm",
    "create",
    "run",
    "--manifest",
    manifest,
    "--network",
    "none",
  );
  await volant.run(
    "vm",
    "create",
    "end",
    "--manifest",
    manifest,
    "--network",
    "none",
  );
  const before = await volant.json("vm", "get", "run");
  const ending = await volant.json("vm", "get", "end");

  await t.step("the daemon is killed, and meanwhile one VMM too", async () => {
    await volant.endDaemon("SIGKILL");
    Deno.kill(ending.pid, "SIGKILL");
    await volant.startDaemon();
  });

  await t.step(
    "the machine that runs is the same, and its log has no gap",
    async () => {
      const after = await volant.json("vm", "get", "run");
      assert.equal(after.status, "running");
      assert.equal(after.pid, before.pid);
      assert.deepEqual(after.boot, before.boot);
      const lines = (await volant.run("vm", "logs", "run")).trim().split("\n");
      assert.deepEqual(lines, lines.map((_, index) => `tick ${index + 1}`));
    },
  );

  await t.step(
    "the one that ended meanwhile is known by its true cause",
    async () => {
      const { status, exit } = await volant.json("vm", "get", "end");
      assert.equal(status, "crashed");
      assert.equal(exit.cause, "vmm-crashed");
    },
  );

  await t.step("the VM that was taken up obeys", async () => {
    await volant.run("vm", "stop", "--grace", "1s", "run");
    const { status, exit } = await volant.json("vm", "get", "run");
    assert.equal(status, "stopped");
    assert.equal(exit.cause, "stopped");
  });
});

Deno.test("a monitor that is killed takes its VMM along, and the VM has crashed", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "ticker",
    script: TICKING,
  });
  await volant.run(
    "vm",
    "create",
    "a",
    "--manifest",
    manifest,
    "--network",
    "none",
  );
  const { id, pid } = await volant.json("vm", "get", "a");
  const state = await Deno.readTextFile(
    `${volant.runtimeDir}/vms/${id}/monitor.state`,
  );
  const [, monitor] = /^monitor_pid=(\d+)$/m.exec(state) ?? [];
  Deno.kill(Number(monitor), "SIGKILL");
  await untilGone(pid);
  await volant.volant("vm", "wait", "a");
  const { status, exit } = await volant.json("vm", "get", "a");
  assert.equal(status, "crashed");
  assert.equal(exit.cause, "monitor-lost");
});

Deno.test("a run directory that no VM owns is ended and removed at the start", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "ticker",
    script: TICKING,
  });
  await volant.run(
    "vm",
    "create",
    "a",
    "--manifest",
    manifest,
    "--network",
    "none",
  );
  const { id, pid } = await volant.json("vm", "get", "a");
  await volant.endDaemon("SIGKILL");
  // As if the record were gone: the daemon finds the machine under another id.
  const runs = `${volant.runtimeDir}/vms`;
  await Deno.mkdir(`${runs}/999`);
  for (const name of ["monitor.sock", "monitor.state"]) {
    await Deno.rename(`${runs}/${id}/${name}`, `${runs}/999/${name}`);
  }
  await volant.startDaemon();
  await untilGone(pid);
  // Its folder was locked by a monitor that said nothing there: it is looked at
  // again, and by then the monitor has left its last state.
  await until(
    "its VM is known to have ended",
    async () => (await volant.json("vm", "get", "a")).status === "stopped",
  );
  assert.equal((await volant.json("vm", "get", "a")).exit.cause, "killed");
});
