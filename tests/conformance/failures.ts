/** Ends that nobody asked for: each has its true name, none is a stop. */

import assert from "node:assert/strict";
import { untilGone } from "../harness/until.ts";
import type { Stage } from "./stage.ts";

export async function tellsPanic(stage: Stage): Promise<void> {
  await using guest = await stage.guest();
  await guest.type("panic");
  await guest.endsWith({ is: "crashed", cause: "guest-panic" });
  const { exit } = await guest.get();
  assert.match(exit?.detail ?? "", /^Kernel panic - not syncing: /);
  const console = await guest.lines("console");
  assert.ok(console.some((line) => line.includes("Kernel panic")));
}

export async function tellsWorkloadOutOfMemory(stage: Stage): Promise<void> {
  await using guest = await stage.guest();
  await guest.type("oom");
  await guest.endsWith({ is: "crashed", cause: "guest-oom", status: 137 });
}

export async function tellsKernelOutOfMemory(stage: Stage): Promise<void> {
  await using guest = await stage.guest();
  await guest.type("panic Out of memory: compulsory panic_on_oom is enabled");
  await guest.endsWith({ is: "crashed", cause: "guest-oom" });
  const { exit } = await guest.get();
  assert.match(exit?.detail ?? "", /^Kernel panic - not syncing: Out of mem/);
}

export async function tellsVmmCrash(stage: Stage): Promise<void> {
  for (const signal of ["SIGKILL", "SIGSEGV", "SIGABRT"] as const) {
    await using guest = await stage.guest();
    Deno.kill(await guest.vmmPid(), signal);
    await guest.endsWith({ is: "crashed", cause: "vmm-crashed" });
  }
}

/** A crash in the middle of a stop is one all the same. */
export async function tellsVmmCrashWhileStopping(stage: Stage): Promise<void> {
  await using guest = await stage.guest({
    commands: ["delay stop 3600000", "print deaf"],
  });
  await guest.says("deaf");
  const pid = await guest.vmmPid();
  const stopping = guest.volant("stop", "--grace", "1h").catch(() => {});
  await guest.reaches("stopping");
  Deno.kill(pid, "SIGKILL");
  await stopping;
  await guest.endsWith({ is: "crashed", cause: "vmm-crashed" });
}

/** The machine goes with its monitor, and is missed. */
export async function tellsMonitorLost(stage: Stage): Promise<void> {
  await using guest = await stage.guest();
  const vmm = await guest.vmmPid();
  Deno.kill(Number(await guest.monitorState("monitor_pid")), "SIGKILL");
  await guest.endsWith({ is: "crashed", cause: "monitor-lost" });
  await untilGone(vmm);
  await guest.volant("start");
  await guest.says(/^kept 0$/, 2);
}
