/** A daemon that is killed and started again takes the machine up as it was. */

import assert from "node:assert/strict";
import { untilGone } from "../harness/until.ts";
import type { Stage } from "./stage.ts";

const TICKS = 30;

export async function adopts(stage: Stage): Promise<void> {
  const ticks = Array.from({ length: TICKS }, (_, n) => `print tick ${n + 1}`);
  await using guest = await stage.guest({
    commands: ticks.flatMap((tick) => [tick, "sleep 200"]),
  });
  await guest.says("tick 3");
  const before = await guest.get();
  const monitor = await guest.monitorState("monitor_pid");
  await stage.volant.crashDaemon();
  const after = await guest.get();
  assert.equal(after.status, "running");
  assert.equal(after.pid, before.pid);
  assert.deepEqual(after.boot, before.boot);
  assert.equal(await guest.monitorState("monitor_pid"), monitor);
  await guest.says(`tick ${TICKS}`);
  const said = (await guest.lines()).filter((line) => line.startsWith("tick"));
  assert.deepEqual(said, ticks.map((tick) => tick.replace("print ", "")));

  await guest.type("print heard", "console shown");
  await guest.says("heard");
  await (await guest.viewer()).sees("shown");
  await guest.volant("stop", "--grace", "60s");
  await guest.endsWith({ is: "stopped", cause: "stopped", status: 0 });
}

export async function adoptsRestarts(stage: Stage): Promise<void> {
  await using guest = await stage.guest({ words: ["--restart", "on-failure"] });
  await guest.type("exit 3");
  await guest.says(/^kept 0$/, 2);
  await stage.volant.crashDaemon();
  const { status, restarts } = await guest.get();
  assert.deepEqual({ status, restarts }, { status: "running", restarts: 1 });
}

/** What ended while no daemon ran is known by its true cause. */
export async function learnsOfEnds(stage: Stage): Promise<void> {
  const endings = [
    { how: "exit", is: "crashed", cause: "exited" },
    { how: "crash", is: "crashed", cause: "vmm-crashed" },
  ] as const;
  for (const { how, is, cause } of endings) {
    await using guest = await stage.guest({
      commands: how === "exit" ? ["sleep 2000", "exit 5"] : [],
    });
    const pid = await guest.vmmPid();
    await stage.volant.endDaemon("SIGKILL");
    if (how === "crash") Deno.kill(pid, "SIGKILL");
    await untilGone(pid);
    await stage.volant.startDaemon();
    await guest.endsWith({ is, cause, ...(how === "exit" && { status: 5 }) });
  }
}
