/** Boot, stop, kill, and the ways a workload ends. */

import assert from "node:assert/strict";
import type { Stage } from "./stage.ts";

/** Longer than any deadline: what waits so long was never asked to end. */
const FOR_EVER_MS = 3_600_000;

export async function says(stage: Stage): Promise<void> {
  const { hypervisor } = await stage.volant.json("system", "info");
  const { name, machine, accelerator } = hypervisor;
  const expected = stage.subject.hypervisor;
  assert.deepEqual({ name, machine, accelerator }, {
    name: expected.name,
    machine: expected.machine,
    accelerator: expected.accelerator ?? accelerator,
  });
}

export async function boots(stage: Stage): Promise<void> {
  for (const root of ["initramfs", "state-disk"] as const) {
    await using guest = await stage.guest({ root, commands: ["print up"] });
    await guest.says("up");
    const vm = await guest.get();
    assert.equal(vm.status, "running");
    assert.equal(vm.hypervisor, stage.subject.hypervisor.name);
    const { vmm_ms = 0, kernel_ms = 0, workload_ms = 0 } = vm.boot ?? {};
    // What a quick guest says at once is read at once.
    assert.ok(
      0 < vmm_ms && vmm_ms <= kernel_ms && kernel_ms <= workload_ms,
      `the phases of a boot in their order: ${JSON.stringify(vm.boot)}`,
    );
  }
}

export async function stops(stage: Stage): Promise<void> {
  await using guest = await stage.guest();
  await guest.volant("stop", "--grace", "60s");
  // 143 if it had not been asked to end, but ended; 137 if it was killed.
  const stopped = { is: "stopped", cause: "stopped", status: 0 } as const;
  await guest.endsWith({ ...stopped, forced: false });
  await guest.volant("start");
  await guest.says(/^kept 0$/, 2);
  await guest.volant("stop", "--grace", "60s");
  await guest.endsWith({ ...stopped, forced: false });
}

export async function stopsAfterGrace(stage: Stage): Promise<void> {
  await using guest = await stage.guest({
    commands: [`delay stop ${FOR_EVER_MS}`, "print deaf"],
  });
  await guest.says("deaf");
  await guest.volant("stop", "--grace", "1s");
  await guest.endsWith({
    is: "stopped",
    cause: "stopped",
    status: 137,
    forced: false,
  });
}

/** A VMM that does nothing at all stands for a guest that does not. */
export async function forcesWhatHangs(stage: Stage): Promise<void> {
  await using guest = await stage.guest();
  Deno.kill(await guest.vmmPid(), "SIGSTOP");
  await guest.volant("stop", "--grace", "1s");
  await guest.endsWith({ is: "stopped", cause: "stopped", forced: true });
}

export async function kills(stage: Stage): Promise<void> {
  await using guest = await stage.guest({
    commands: [`delay stop ${FOR_EVER_MS}`],
  });
  await guest.volant("stop", "--kill");
  await guest.endsWith({ is: "stopped", cause: "killed" });
}

/** A stop that takes for ever is cut short by a second one. */
export async function killsWhatStops(stage: Stage): Promise<void> {
  await using guest = await stage.guest({
    commands: [`delay stop ${FOR_EVER_MS}`, "print deaf"],
  });
  await guest.says("deaf");
  const first = guest.volant("stop", "--grace", "1h").catch(() => {});
  await guest.reaches("stopping");
  await guest.volant("stop", "--kill");
  await first;
  await guest.endsWith({ is: "stopped", cause: "killed" });
}

export async function tellsStatus(stage: Stage): Promise<void> {
  for (const status of [0, 1, 77, 255]) {
    await using guest = await stage.guest();
    await guest.type(`exit ${status}`);
    const is = status === 0 ? "stopped" : "crashed";
    await guest.endsWith({ is, cause: "exited", status, forced: false });
  }
}

export async function tellsSignal(stage: Stage): Promise<void> {
  await using guest = await stage.guest();
  assert.equal(await guest.tellMonitor("signal 9"), "ok\n");
  await guest.endsWith({ is: "crashed", cause: "exited", status: 137 });
}

export async function restartsWorkload(stage: Stage): Promise<void> {
  await using guest = await stage.guest({ words: ["--restart", "on-failure"] });
  const before = await guest.get();
  await guest.type("exit 3");
  await guest.says(/^kept 0$/, 2);
  const after = await guest.get();
  assert.equal(after.status, "running");
  assert.equal(after.pid, before.pid, "in the same guest");
  assert.equal(after.restarts, 1);
}
