/**
 * What many machines cost the daemon: CPU time when it takes them up again and
 * when nothing happens, memory, and the time a list of all takes. The VMMs are
 * simulated, so that nothing else of this host is in the way.
 */

import {
  cpuMs,
  createMany,
  deleteAll,
  listAll,
  memoryMib,
  threadsCpuMs,
} from "../../tests/harness/fleet.ts";
import {
  simulatedManifest,
  startSimulated,
} from "../../tests/harness/simulated.ts";
import type { TmpVolant } from "../../tests/harness/tmp_volant.ts";
import { type Figure, median, rounded } from "./figure.ts";

const ADOPTED = 100;
const MANY = 1000;
const ROUNDS = 5;
/** A daemon that serves still connects to the monitors. */
const CONNECT_MS = 3000;
/** After a start the engine gives memory back at its leisure. */
const SETTLE_MS = 60_000;
const IDLE_MS = 30_000;
const LISTS = 200;

export async function benchScale(): Promise<Figure[]> {
  await using volant = await startSimulated();
  const manifest = await simulatedManifest(volant);
  const empty = await startCost(volant, 0);
  await createMany(volant, manifest, { count: ADOPTED });
  const adoption = adoptionFigures(empty, await startCost(volant, ADOPTED));
  const more = MANY - ADOPTED;
  const start = performance.now();
  await createMany(volant, manifest, { count: more, prefix: "more" });
  const seconds = (performance.now() - start) / 1000;
  const whole = await startCost(volant, MANY);
  const figures = [
    ...adoption,
    {
      key: `adopt.${MANY}.daemon_cpu_ms`,
      value: whole,
      unit: "ms of CPU",
      baseline: empty,
      how: `as adopt.${ADOPTED}, with ${MANY} machines`,
    },
    {
      key: "create.seconds_per_1000",
      value: rounded(seconds * 1000 / more),
      unit: "s",
      how:
        `wall time of ${more} creates on 8 connections, each until its workload has started, on a disk that is synced`,
    },
    ...await idleFigures(volant),
    ...await listFigures(volant),
  ];
  await deleteAll(volant);
  return figures;
}

/**
 * CPU time of a start after a kill, until all is taken up: the least of a few,
 * since what else the host does can only add to it.
 */
async function startCost(volant: TmpVolant, count: number): Promise<number> {
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await volant.crashDaemon();
    await pause(CONNECT_MS);
    costs.push(await cpuMs(volant.daemonPid));
    const running = (await listAll(volant))
      .filter(({ status }) => status === "running");
    if (running.length !== count) {
      throw new Error(`${running.length} of ${count} machines were taken up`);
    }
  }
  return Math.min(...costs);
}

function adoptionFigures(empty: number, full: number): Figure[] {
  const how =
    `CPU time of all the daemon's threads (/proc/PID/stat) from its exec until ${
      CONNECT_MS / 1000
    } s after it first answered, ${ADOPTED} simulated machines taken up; the daemon before it was killed; baseline: the same without a machine; the least of ${ROUNDS}`;
  return [
    {
      key: `adopt.${ADOPTED}.daemon_cpu_ms`,
      value: full,
      unit: "ms of CPU",
      baseline: empty,
      how,
    },
    {
      key: `adopt.${ADOPTED}.daemon_cpu_ms_of_machines`,
      value: full - empty,
      unit: "ms of CPU",
      how: "the difference of the two",
    },
  ];
}

async function idleFigures(volant: TmpVolant): Promise<Figure[]> {
  await pause(SETTLE_MS);
  const before = await threadsCpuMs(volant.daemonPid);
  await pause(IDLE_MS);
  const used = await threadsCpuMs(volant.daemonPid) - before;
  const { rss, pss } = await memoryMib(volant.daemonPid);
  const how = `${MANY} simulated machines run and nothing is asked, from ${
    SETTLE_MS / 1000
  } s after the daemon took them up, for ${IDLE_MS / 1000} s`;
  return [
    {
      key: `daemon.idle_cpu_percent_${MANY}`,
      value: rounded(used * 100 / IDLE_MS),
      unit: "% of one CPU",
      how: `CPU time of all its threads (schedstat): ${how}`,
    },
    {
      key: `daemon.rss_mib_${MANY}`,
      value: rounded(rss),
      unit: "MiB",
      how: `RSS (smaps_rollup) at the end of that: ${how}`,
    },
    {
      key: `daemon.pss_mib_${MANY}`,
      value: rounded(pss),
      unit: "MiB",
      how: "PSS, the same moment",
    },
  ];
}

async function listFigures(volant: TmpVolant): Promise<Figure[]> {
  const times: number[] = [];
  const before = await cpuMs(volant.daemonPid);
  for (let round = 0; round < LISTS; round++) {
    const start = performance.now();
    await listAll(volant);
    times.push(performance.now() - start);
  }
  const used = await cpuMs(volant.daemonPid) - before;
  times.sort((a, b) => a - b);
  const how = `GET /api/v1/vms of ${MANY} VMs, ${LISTS} in a row`;
  return [
    {
      key: `api.list_${MANY}.p99_ms`,
      value: rounded(times[Math.floor(LISTS * 0.99)] ?? NaN),
      unit: "ms",
      baseline: rounded(median(times)),
      how:
        `wall time of ${how}, each parsed by the client; baseline: the median`,
    },
    {
      key: `api.list_${MANY}.daemon_cpu_ms`,
      value: rounded(used / LISTS),
      unit: "ms of CPU",
      how: `CPU time of the daemon for each ${how}`,
    },
  ];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
