/**
 * The TAP devices of guests, ports of one bridge.
 *
 * Named after the bridge and the VM's id, so a name never means two VMs. They
 * are persistent: a monitor opens one by name, and it stays until the VM's
 * machine is gone. Many are made or removed by one `ip -batch`; what came of it
 * is read back, which also says which of them failed.
 *
 * @module
 */

import { asError, Batches, type JobResult } from "./batches.ts";
import { type Link, linkNames, portsOf } from "./links.ts";
import { lastWords, type NetworkPrograms, unavailable } from "./programs.ts";
import { setTapSysctls } from "./sysctls.ts";
import type { ExecResult } from "../../lib/exec.ts";

export interface TapJob {
  readonly name: string;
  /** How it is to be; undefined: gone. */
  readonly wanted: { readonly isIsolated: boolean } | undefined;
}

const NAME_MAX = 15;

/** Throws `network-unavailable` when no interface can have such a name. */
export function tapName(bridge: string, vmId: number): string {
  const name = `${bridge}-${vmId}`;
  if (name.length <= NAME_MAX) return name;
  throw unavailable(
    `an interface's name has at most ${NAME_MAX} characters, and "${name}" more`,
    "Start the daemon with a shorter --bridge",
  );
}

export class Taps {
  readonly #programs: NetworkPrograms;
  readonly #bridge: string;
  readonly #batches = new Batches<TapJob>((jobs) => this.#do(jobs));

  constructor(programs: NetworkPrograms, bridge: string) {
    this.#programs = programs;
    this.#bridge = bridge;
  }

  /** Makes it, or makes one that is there right; a port of the bridge, and up. */
  async add(name: string, isIsolated: boolean): Promise<void> {
    await this.#batches.run({ name, wanted: { isIsolated } });
  }

  /** No error if it is not there. */
  async remove(name: string): Promise<void> {
    await this.#batches.run({ name, wanted: undefined });
  }

  /** Names of all that are there, whoever they belong to. */
  async list(): Promise<string[]> {
    const prefix = `${this.#bridge}-`;
    return [...await linkNames()].filter((name) =>
      name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length))
    );
  }

  async #do(jobs: readonly TapJob[]): Promise<readonly JobResult[]> {
    const names = await linkNames();
    const lines = jobs.flatMap((job) =>
      batchLines(this.#bridge, job, names.has(job.name))
    );
    if (lines.length === 0) return [];
    const result = await this.#programs.ip(
      ["-force", "-batch", "-"],
      `${lines.map(({ line }) => line).join("\n")}\n`,
    );
    const now = await linkNames();
    const unset = await this.#setSysctls(jobs, now);
    const isAnyMade = jobs.some(({ wanted }) => wanted !== undefined);
    const ports = isAnyMade ? await portsOf(this.#programs, this.#bridge) : [];
    return jobs.map((job) => {
      const wrong = whatIsWrong(
        job,
        now.has(job.name),
        ports.find(({ name }) => name === job.name),
      );
      if (wrong === undefined) return unset.get(job.name);
      const words = wordsOn(job.name, lines, result);
      return unavailable(
        `interface "${job.name}" ${wrong}: ${words}`,
        "See docs/network.md, and what `volant doctor` says",
      );
    });
  }

  /** What went wrong, by device. No guest has one that is new open by now. */
  async #setSysctls(
    jobs: readonly TapJob[],
    names: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, Error>> {
    const faults = new Map<string, Error>();
    for (const { name, wanted } of jobs) {
      if (wanted === undefined || !names.has(name)) continue;
      await setTapSysctls(name).catch((error: unknown) =>
        faults.set(name, asError(error))
      );
    }
    return faults;
  }
}

interface BatchLine {
  readonly name: string;
  readonly line: string;
}

/** Pure; exported for its test. */
export function batchLines(
  bridge: string,
  { name, wanted }: TapJob,
  isThere: boolean,
): BatchLine[] {
  const set = `link set dev ${name}`;
  const lines = wanted === undefined
    ? isThere ? [`link delete dev ${name}`] : []
    : [
      ...(isThere ? [] : [`tuntap add dev ${name} mode tap vnet_hdr`]),
      `${set} master ${bridge}`,
      `${set} type bridge_slave isolated ${wanted.isIsolated ? "on" : "off"}`,
      // The host has no address on it, not even one of its own making.
      `${set} addrgenmode none`,
      `${set} up`,
    ];
  return lines.map((line) => ({ name, line }));
}

/** Pure; exported for its test. */
export function whatIsWrong(
  { wanted }: TapJob,
  isThere: boolean,
  port: Link | undefined,
): string | undefined {
  if (wanted === undefined) return isThere ? "cannot be removed" : undefined;
  if (!isThere) return "cannot be made";
  if (port === undefined) return "is no port of the bridge";
  if (port.kind !== "tun") return "is there already, and no TAP device";
  if (port.isIsolated !== wanted.isIsolated) {
    return "is not kept apart from other guests as it must be";
  }
  return port.isUp ? undefined : "is not up";
}

/** What `ip` said of the lines of one device; else all that it said. */
function wordsOn(
  name: string,
  lines: readonly BatchLine[],
  result: ExecResult,
): string {
  const said: string[] = [];
  let words: string[] = [];
  for (const line of result.stderr.trim().split("\n")) {
    const number = /^Command failed -:(\d+)$/.exec(line)?.[1];
    if (number === undefined) {
      words.push(line);
      continue;
    }
    if (lines[Number(number) - 1]?.name === name) said.push(...words);
    words = [];
  }
  return said.length > 0 ? said.join("; ") : lastWords(result);
}
