/**
 * The machine of a VM as it lies in its run directory: what its monitor has
 * written, and the socket on which that obeys. For tests of what happens to
 * machines while no daemon looks on.
 */

import assert from "node:assert/strict";
import { parseState, type State } from "./monitor.ts";
import type { TmpVolant } from "./tmp_volant.ts";
import { until, untilGone } from "./until.ts";

export function runDirOf(volant: TmpVolant, id: number): string {
  return `${volant.runtimeDir}/vms/${id}`;
}

export function stateOf(volant: TmpVolant, id: number): State {
  return parseState(
    Deno.readTextFileSync(`${runDirOf(volant, id)}/monitor.state`),
  );
}

export function monitorPid(volant: TmpVolant, id: number): number {
  return Number(stateOf(volant, id)["monitor_pid"]);
}

/** Sends the monitor one line, and waits until it has answered. */
export async function tellMonitor(
  volant: TmpVolant,
  id: number,
  line: string,
): Promise<void> {
  using connection = await Deno.connect({
    transport: "unix",
    path: `${runDirOf(volant, id)}/monitor.sock`,
  });
  await connection.write(new TextEncoder().encode(`${line}\n`));
  const answer = new Uint8Array(256);
  const count = await connection.read(answer) ?? 0;
  assert.equal(new TextDecoder().decode(answer.subarray(0, count)), "ok\n");
}

/** Waits until the monitor has written how its machine ended, and is gone. */
export async function untilEnded(
  volant: TmpVolant,
  id: number,
): Promise<void> {
  const pid = monitorPid(volant, id);
  await until(
    `machine ${id} has ended`,
    () => stateOf(volant, id)["cause"] !== undefined,
  );
  await untilGone(pid);
}

/** Kills the monitor, which takes its VMM along without a word. */
export async function killMonitor(
  volant: TmpVolant,
  id: number,
): Promise<void> {
  const state = stateOf(volant, id);
  for (const who of ["monitor", "vmm"]) {
    const pid = Number(state[`${who}_pid`]);
    if (who === "monitor") Deno.kill(pid, "SIGKILL");
    await untilGone(pid);
  }
}

/** Start time in clock ticks, as in field 22 of `/proc/PID/stat` (proc(5)). */
export function startOf(pid: number): string {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  assert.ok(start !== undefined);
  return start;
}
