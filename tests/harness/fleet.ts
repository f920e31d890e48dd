/**
 * Many VMs at once: made and deleted over a few connections to the API, since a
 * process of the command line for each would cost more than they do.
 */

import assert from "node:assert/strict";
import type { TmpVolant } from "./tmp_volant.ts";

const CONNECTIONS = 8;
/** Of /proc/PID/stat: USER_HZ is 100 wherever Linux runs. */
const MS_PER_TICK = 10;
const KIB_PER_MIB = 1024;

export interface ListedVm {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly pid?: number;
}

/** Creates `PREFIX0`, `PREFIX1`, ... and waits until each has started. */
export async function createMany(
  volant: TmpVolant,
  manifestPath: string,
  { count, prefix = "vm" }: {
    readonly count: number;
    readonly prefix?: string;
  },
): Promise<void> {
  const manifest = JSON.parse(await Deno.readTextFile(manifestPath));
  await each(Array.from({ length: count }), async (_, index) => {
    const response = await volant.request("/api/v1/vms?timeout=600", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        name: `${prefix}${index}`,
        config: { manifest },
      }),
    });
    const text = await response.text();
    assert.equal(response.status, 201, text);
  });
}

export async function deleteAll(volant: TmpVolant): Promise<void> {
  await each(await listAll(volant), async ({ name }) => {
    const response = await volant.request(`/api/v1/vms/${name}?force=true`, {
      method: "DELETE",
    });
    assert.equal(response.status, 204, await response.text());
  });
}

export async function listAll(
  volant: TmpVolant,
): Promise<readonly ListedVm[]> {
  const response = await volant.request("/api/v1/vms");
  assert.equal(response.status, 200);
  return await response.json();
}

/** CPU time that a process has used since its start, in all its threads. */
export async function cpuMs(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  // The second field is the program's name and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/**
 * The same of the threads it has now, to the nanosecond: for a process that
 * does next to nothing.
 */
export async function threadsCpuMs(pid: number): Promise<number> {
  let sum = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const path = `/proc/${pid}/task/${name}/schedstat`;
    const [ns] = (await Deno.readTextFile(path)).split(" ");
    sum += Number(ns) / 1e6;
  }
  return sum;
}

/** Memory of a process, in MiB. */
export async function memoryMib(
  pid: number,
): Promise<{ readonly rss: number; readonly pss: number }> {
  const text = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
  const mib = (key: string) =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) /
    KIB_PER_MIB;
  return { rss: mib("Rss"), pss: mib("Pss") };
}

/** Does the same with each of them, a few at a time. */
async function each<T>(
  all: readonly T[],
  job: (one: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (next < all.length) {
      const index = next++;
      await job(all[index] as T, index);
    }
  }));
}
