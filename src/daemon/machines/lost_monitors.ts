/**
 * Monitors whose run directory was removed under them: nothing names them any
 * more, so they are looked for among all processes, by their command.
 *
 * @module
 */

import { readTextIfThere } from "../../lib/files.ts";
import { type ProcessIdentity } from "./machine_state.ts";
import { statFields } from "./identity.ts";
import { lockHolders } from "./locks.ts";

export interface LostMonitor extends ProcessIdentity {
  /** Where its run directory was. */
  readonly runDir: string;
}

/** Those that were started below `folder` and do not hold the directory of that name. */
export async function lostMonitors(folder: string): Promise<LostMonitor[]> {
  const lost: LostMonitor[] = [];
  let holders: ReadonlyMap<string, ReadonlySet<number>> | undefined;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const runDir = await monitoredDir(name, folder);
    if (runDir === undefined) continue;
    const start = await startTime(name);
    if (start === undefined) continue;
    holders ??= await lockHolders();
    const pid = Number(name);
    if (holders.get(await inodeOf(runDir))?.has(pid)) continue;
    lost.push({ pid, start, runDir });
  }
  return lost;
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

async function inodeOf(path: string): Promise<string> {
  const info = await Deno.lstat(path).catch(() => undefined);
  return String(info?.ino ?? "");
}
