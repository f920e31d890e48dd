/**
 * What must be true of a host whenever a daemon has started, whatever happened
 * before: each VM is as the daemon says, and nothing is there that is nobody's.
 */

import assert from "node:assert/strict";
import { filesBelow, TmpVolant } from "./tmp_volant.ts";
import { until } from "./until.ts";

const LIVE = ["starting", "running", "stopping"];

interface Seen {
  readonly ip_address: string;
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly pid?: number;
}

/** Pids of VMMs and monitors that work in this daemon's run directories. */
function machines(volant: TmpVolant): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    let words = "";
    try {
      words = Deno.readTextFileSync(`/proc/${name}/cmdline`);
    } catch {
      continue; // It ended meanwhile.
    }
    const [, id] = new RegExp(`${volant.runtimeDir}/vms/(\\d+)`).exec(words) ??
      [];
    if (id !== undefined) found.set(id, [...found.get(id) ?? [], Number(name)]);
  }
  return found;
}

/**
 * Fails unless, within a while, what the daemon says of each VM is true of the
 * host, and nothing is there that belongs to no VM.
 */
export async function assertTrue(
  volant: TmpVolant,
  round: string,
): Promise<void> {
  const look = async () => {
    const vms: Seen[] = await volant.json("vm", "list");
    const running = machines(volant);
    const wrong: string[] = [];
    for (const { id, name, status } of vms) {
      const isLive = LIVE.includes(status);
      if (isLive !== running.has(String(id))) {
        wrong.push(
          `${name} is ${status}, processes: ${running.get(String(id))}`,
        );
      }
    }
    const ids = new Set(vms.map(({ id }) => String(id)));
    for (const id of running.keys()) {
      if (!ids.has(id)) wrong.push(`a machine of no VM: ${id}`);
    }
    for (
      const folder of [`${volant.runtimeDir}/vms`, `${volant.stateDir}/vms`]
    ) {
      for (const { name } of Deno.readDirSync(folder)) {
        if (!ids.has(name)) wrong.push(`${folder}/${name} belongs to no VM`);
      }
    }
    wrong.push(...await networkFaults(volant, vms));
    const artifacts = filesBelow(`${volant.stateDir}/artifacts`);
    if (artifacts.length > (vms.length > 0 ? 1 : 0)) {
      wrong.push(`artifacts nobody uses: ${artifacts.join(", ")}`);
    }
    return wrong;
  };
  let wrong: string[] = [];
  await until("all is true", async () => {
    wrong = await look();
    return wrong.length === 0;
  }, 20_000).catch(() => assert.fail(`${round}: ${wrong.join("; ")}`));
}

/** TAPs and rules that belong to no VM that runs, and those that are missing. */
async function networkFaults(
  { netns }: TmpVolant,
  vms: readonly Seen[],
): Promise<string[]> {
  if (netns === undefined) return [];
  const running = vms.filter(({ status }) => LIVE.includes(status));
  const taps = (await netns.links()).filter((name) => name.includes("-"));
  const wanted = running.map(({ id }) => `vbr0-${id}`);
  const guests = await netns.knownGuests();
  const addresses = running.map((vm) => vm.ip_address).sort();
  return [
    ...taps.filter((name) => !wanted.includes(name))
      .map((name) => `${name} belongs to no VM that runs`),
    ...wanted.filter((name) => !taps.includes(name))
      .map((name) => `${name} is missing`),
    ...(guests.join() === addresses.join()
      ? []
      : [`the firewall knows ${guests}, and ${addresses} run`]),
  ];
}
