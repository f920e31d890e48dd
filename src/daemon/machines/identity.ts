/**
 * Whether a process is the one that was meant.
 *
 * A pid alone names whoever has it now; together with its start time and the
 * host's boot id it names one process for ever.
 *
 * @module
 */

import { readTextIfThere } from "../../lib/files.ts";
import type { ProcessIdentity } from "./machine_state.ts";

let bootId: Promise<string> | undefined;

/** The id of this boot of the host; no process lives to see another. */
export function hostBootId(): Promise<string> {
  bootId ??= Deno.readTextFile("/proc/sys/kernel/random/boot_id")
    .then((text) => text.trim());
  return bootId;
}

/** Whether that very process is there and not a zombie. */
export async function isAlive(
  { pid, start, exe }: ProcessIdentity,
): Promise<boolean> {
  const stat = await readTextIfThere(`/proc/${pid}/stat`).catch(() =>
    // The process went while it was read (ESRCH).
    undefined
  );
  if (stat === undefined) return false;
  const [state, startTime] = statFields(stat);
  if (startTime !== start || state === "Z" || state === "X") return false;
  return exe === undefined || await mayRun(pid, exe);
}

/** Whether the process runs that executable, as far as that can be told. */
async function mayRun(pid: number, exe: string): Promise<boolean> {
  try {
    const runs = plainPath(await Deno.readLink(`/proc/${pid}/exe`));
    // Where the monitor may not read that link, it knows the path it executed.
    return runs === plainPath(exe) ||
      runs === await Deno.realPath(exe).catch(() => undefined);
  } catch {
    // Another user's, or it is just ending: its start time has to do.
    return true;
  }
}

/** A file that was replaced since is marked so by the kernel. */
function plainPath(exe: string): string {
  return exe.replace(/ \(deleted\)$/, "");
}

/** State and start time out of `/proc/PID/stat` (proc(5)). */
export function statFields(stat: string): [string, number] {
  // The second field is the program's name and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return [fields[0] ?? "", Number(fields[19])];
}

/** Sends that very process a signal; nothing if it is gone. */
export async function killProcess(
  who: ProcessIdentity,
  signal: Deno.Signal = "SIGKILL",
): Promise<void> {
  if (!await isAlive(who)) return;
  try {
    Deno.kill(who.pid, signal);
  } catch (error) {
    // It ended between the look and the kill.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
