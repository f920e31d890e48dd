/**
 * Monitors whose run directory was removed under them: nothing names them any
 * more, so they are looked for among all processes, by their command.
 *
 * @module
 */

import { readTextIfThere } from "../../lib/files.ts";
import { type ProcessIdentity } from "./machine_state.ts";
import { statFields } from "./identity.ts";

export interface LostMonitor extends ProcessIdentity {
  /** Where its run directory was. */
  readonly runDir: string;
}

/**
 * Those that were started below `folder`, and whose directory is not there under
 * that name any more. One of which that cannot be told is not among them.
 */
export async function lostMonitors(folder: string): Promise<LostMonitor[]> {
  const lost: LostMonitor[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const runDir = await monitoredDir(name, folder);
    if (runDir === undefined || mayHold(name, runDir)) continue;
    const start = await startTime(name);
    if (start === undefined) continue;
    lost.push({ pid: Number(name), start, runDir });
  }
  return lost;
}

/** Whether the process has that very directory open, or is just about to. */
function mayHold(pid: string, runDir: string): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    const links = [...Deno.readDirSync(folder)].map(({ name }) =>
      Deno.readLinkSync(`${folder}/${name}`)
    );
    // The kernel says of a folder that was removed that it is.
    const isGone = links.includes(`${runDir} (deleted)`);
    return !isGone || links.includes(runDir);
  } catch {
    // It ended, or is not ours to look at.
    return true;
  }
}

/** The run directory in the command of a monitor; see `launchMonitor`. */
async function monitoredDir(
  pid: string,
  folder: string,
): Promise<string | undefined> {
  const command = await readTextIfThere(`/proc/${pid}/cmdline`)
    .catch(() => undefined);
  const [program = "", runDir = "", ...more] = command?.split("\0") ?? [];
  const isMonitor = program.endsWith("/monitor") && more.join("") === "" &&
    runDir.startsWith(`${folder}/`);
  return isMonitor ? runDir : undefined;
}

async function startTime(pid: string): Promise<number | undefined> {
  const stat = await readTextIfThere(`/proc/${pid}/stat`)
    .catch(() => undefined);
  if (stat === undefined) return undefined;
  const [state, start] = statFields(stat);
  return state === "Z" ? undefined : start;
}
