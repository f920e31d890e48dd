/**
 * The rate of the host's time stamp counter, which an emulated guest must be
 * told: it sees the host's counter, and by it keeps its time.
 *
 * @module
 */

import { run } from "../lib/exec.ts";
import { Fault } from "../lib/fault.ts";

/** In kHz, as measured by the monitor against the host's clock. */
export async function tscKhz(monitorPath: string): Promise<number> {
  if (Deno.build.arch !== "x86_64") return 0;
  const text = await run(monitorPath, ["--tsc-khz"]);
  const khz = Number(text);
  if (Number.isInteger(khz) && khz > 0) return khz;
  throw new Fault(
    "boot-failed",
    `Cannot measure the host's time stamp counter: the monitor said "${text.trim()}"`,
  );
}
