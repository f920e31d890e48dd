/** Console and logs. */

import assert from "node:assert/strict";
import type { Stage } from "./stage.ts";

/** At which a log is rotated (docs/monitor.md), and by how much it is missed. */
const LOG_MAX = 10 * 1024 * 1024;
const MISSED_BY = 4096;
const COUNTED = 2000;

export async function consoleGoesBothWays(stage: Stage): Promise<void> {
  await using guest = await stage.guest();
  await guest.type("print typed", "console shown");
  await guest.says("typed");
  await (await guest.viewer()).sees("shown");
}

export async function logsHaveEachLine(stage: Stage): Promise<void> {
  const long = "long ".repeat(1200).trim();
  await using guest = await stage.guest({
    commands: [`count ${COUNTED}`, `print ${long}`, "print grüße 漢字"],
  });
  await guest.says("grüße 漢字");
  const lines = (await guest.lines()).filter((line) => /^\d+$/.test(line));
  assert.deepEqual(
    lines,
    Array.from({ length: COUNTED }, (_, n) => `${n + 1}`),
  );
  assert.ok((await guest.lines()).includes(long), "a line of two parts");
}

/** The end of a machine ends its last line. */
export async function logsEndWithHalfLine(stage: Stage): Promise<void> {
  await using guest = await stage.guest({ commands: ["print whole"] });
  await guest.says("whole");
  await guest.type("half line");
  await guest.ends();
  assert.equal((await guest.lines()).at(-1), "half a li");
}

/** A log that is nearly full already is rotated under what the guest says next. */
export async function logsRotate(stage: Stage): Promise<void> {
  await using guest = await stage.guest();
  await guest.volant("stop", "--grace", "60s");
  const { id } = await guest.get();
  const path = `${stage.volant.stateDir}/vms/${id}/logs/output.log`;
  await fill(path, LOG_MAX - MISSED_BY);
  await guest.volant("start");
  await guest.says(/^kept 0$/, 2);
  await guest.type(`count ${COUNTED}`, "print counted");
  await guest.says("counted");
  const sizes = [path, `${path}.1`].map((each) => Deno.statSync(each).size);
  assert.ok(sizes.every((size) => size > 0 && size <= LOG_MAX), `${sizes}`);
  const lines = (await guest.lines()).filter((line) => /^\d+$/.test(line));
  assert.deepEqual(
    lines,
    Array.from({ length: COUNTED }, (_, n) => `${n + 1}`),
  );
}

/** Makes a log as large as that, of lines as its monitor writes them. */
async function fill(path: string, size: number): Promise<void> {
  const line = `2026-01-01T00:00:00.000000000Z stdout F ${"x".repeat(959)}\n`;
  const missing = size - (await Deno.stat(path)).size;
  const text = line.repeat(Math.floor(missing / line.length));
  await Deno.writeTextFile(path, text, { append: true });
}
