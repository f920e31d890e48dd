/**
 * What must be true of a host whenever a daemon has started, whatever happened
 * before: each VM is as the daemon says, and nothing is there that is nobody's:
 * no process, TAP, firewall element, port, file or row.
 */

import assert from "node:assert/strict";
import {
  allProcesses,
  attempt,
  firewallElements,
  listeningPorts,
  type Process,
  processesIn,
  readRows,
  type Rows,
} from "./host_facts.ts";
import type { Netns } from "./netns.ts";
import { filesBelow, TmpVolant } from "./tmp_volant.ts";
import { until } from "./until.ts";

const SETTLED_MS = 20_000;
const LIVE = ["starting", "running", "stopping"];
const ON_THE_WAY = ["starting", "stopping"];

/** Of a VM, as the API shows it. */
export interface Seen {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly pid?: number;
  readonly ip_address: string;
  readonly mac_address: string;
  readonly network: string;
  readonly expose: readonly {
    readonly host_ip: string;
    readonly host_port: number;
    readonly port: number;
    readonly protocol: string;
  }[];
  readonly wanted?: string;
  readonly restarting_at?: string;
  readonly machine_restarts?: number;
  readonly exit?: {
    readonly cause: string;
    readonly status?: number;
    readonly forced: boolean;
    readonly detail?: string;
    readonly at: string;
  };
}

/** A daemon and where it works, as whoever looks sees it. */
export interface Subject {
  readonly folder: string;
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly daemonPid: number;
  readonly netns: Netns | undefined;
  /**
   * Processes beside the daemon's that may be in the namespace; absent: any may,
   * and listen there.
   */
  readonly bystanders?: readonly number[];
}

/**
 * Fails unless, within a while, what the daemon says of each VM is true of the
 * host, and nothing is there that belongs to no VM.
 */
export async function assertTrue(
  volant: TmpVolant,
  round: string,
): Promise<void> {
  let wrong: readonly string[] = [];
  await until("all is true", async () => {
    const vms: Seen[] = await volant.json("vm", "list");
    wrong = await whatIsWrong({
      ...{ folder: volant.folder, stateDir: volant.stateDir },
      ...{ runtimeDir: volant.runtimeDir, daemonPid: volant.daemonPid },
      netns: volant.netns,
    }, vms);
    return wrong.length === 0;
  }, SETTLED_MS).catch((error) => {
    if (wrong.length === 0) throw error;
    assert.fail(`${round}: ${wrong.join("; ")}`);
  });
}

/** What is not as it must be; a machine on its way counts, so look again. */
export async function whatIsWrong(
  subject: Subject,
  vms: readonly Seen[],
): Promise<string[]> {
  const rows = attempt(() => readRows(`${subject.stateDir}/volant.db`));
  if (rows === undefined) return ["the database cannot be read"];
  return [
    ...vms.filter(({ status }) => ON_THE_WAY.includes(status))
      .map(({ name, status }) => `${name} is ${status} for ever`),
    ...processFaults(subject, vms),
    ...vms.flatMap((vm) => monitorFaults(subject, vm)),
    ...rowFaults(rows, vms),
    ...fileFaults(subject, rows, vms),
    ...await networkFaults(subject, vms),
  ];
}

/** Each VM that is said to run has one monitor with its VMM, and no other has. */
function processFaults(
  subject: Subject,
  vms: readonly Seen[],
): string[] {
  const { runtimeDir, netns, daemonPid, bystanders } = subject;
  const all = netns === undefined || bystanders === undefined
    ? allProcesses().filter(({ words }) =>
      words.join(" ").includes(`${runtimeDir}/`)
    )
    : processesIn(netns);
  const monitors = new Map<string, Process[]>();
  for (const process of all) {
    const [program = "", path = ""] = process.words;
    if (!program.endsWith("/monitor")) continue;
    const id = path.split("/").at(-1) ?? "";
    if (path !== `${runtimeDir}/vms/${id}`) continue;
    monitors.set(id, [...monitors.get(id) ?? [], process]);
  }
  const wrong: string[] = [];
  for (const { id, name, status } of vms) {
    const count = monitors.get(String(id))?.length ?? 0;
    const wanted = LIVE.includes(status) ? 1 : 0;
    if (count !== wanted) {
      wrong.push(`${name} is ${status}, monitors: ${count}`);
    }
  }
  const accounted = new Set([daemonPid, ...bystanders ?? []]);
  for (const { id } of vms.filter(({ status }) => LIVE.includes(status))) {
    for (const { pid } of monitors.get(String(id)) ?? []) accounted.add(pid);
  }
  // What they started is theirs; parents come in any order.
  for (let more = true; more;) {
    const found = all.filter(({ pid, parent }) =>
      accounted.has(parent) && !accounted.has(pid)
    );
    for (const { pid } of found) accounted.add(pid);
    more = found.length > 0;
  }
  for (const { pid, words } of all) {
    if (accounted.has(pid)) continue;
    wrong.push(`process ${pid} is nobody's: ${words.join(" ").slice(0, 120)}`);
  }
  return wrong;
}

/** What the monitor has written of a machine, and what the daemon says of it. */
function monitorFaults(
  { runtimeDir }: Subject,
  { id, name, status, pid }: Seen,
): string[] {
  const path = `${runtimeDir}/vms/${id}/monitor.state`;
  const text = attempt(() => Deno.readTextFileSync(path));
  if (!LIVE.includes(status)) {
    const folder = `${runtimeDir}/vms/${id}`;
    return attempt(() => Deno.lstatSync(folder)) === undefined
      ? []
      : [`${name} is ${status}, and ${folder} is still there`];
  }
  // Its monitor is there, as its process tells.
  if (text === undefined) return [];
  const told = new Map(
    text.split("\n").map((line) => [
      line.slice(0, line.indexOf("=")),
      line.slice(line.indexOf("=") + 1),
    ]),
  );
  const vmm = told.get("vmm_pid");
  return [
    ...(told.has("cause")
      ? [`${name} is ${status}, and its machine has ended`]
      : []),
    ...(String(pid) === vmm
      ? []
      : [`${name} has pid ${pid}, its monitor says ${vmm}`]),
    ...(attempt(() => Deno.statSync(`/proc/${vmm}`)) === undefined
      ? [`${name} is ${status}, its VMM ${vmm} is gone`]
      : []),
    ...(isStopped(vmm) ? [`${name} is ${status}, its VMM stands still`] : []),
    ...(status === "running" &&
        !["started", "waiting"].includes(told.get("guest") ?? "")
      ? [`${name} is running, its guest ${told.get("guest")}`]
      : []),
  ];
}

function isStopped(pid: string | undefined): boolean {
  const stat = attempt(() => Deno.readTextFileSync(`/proc/${pid}/stat`)) ?? "";
  return /\) T /.test(stat);
}

function rowFaults({ vms, leases }: Rows, seen: readonly Seen[]): string[] {
  const names = (all: readonly { id: number; name: string }[]) =>
    all.map(({ id, name }) => `${id}:${name}`).sort().join();
  const held = vms.filter(({ bridgedIp }) => bridgedIp !== "")
    .map(({ id, bridgedIp }) => `${id}:${bridgedIp}`).sort().join();
  const leased = leases.map(({ vmId, ip }) => `${vmId}:${ip}`).sort().join();
  return [
    ...vms.filter(({ deleting }) => deleting)
      .map(({ name }) => `${name} is half deleted`),
    ...(names(vms) === names(seen)
      ? []
      : [`rows ${names(vms)}, but the API has ${names(seen)}`]),
    ...(held === leased ? [] : [`VMs hold ${held}, leases are ${leased}`]),
  ];
}

const STATE_FILES = [
  /^lock$/,
  /^volant\.db(-wal|-shm|\.copy)?$/,
  /^volant\.db\.damaged-[\dTZ-]+(-wal|-shm)?$/,
  /^kvm-probe\.json$/,
  /^(assets|deno)\//,
];
const VM_FILES = [
  /^vm\.json$/,
  /^logs\/(output|console|vmm)\.log(\.\d+)?$/,
  /^state\.ext4(\.made)?$/,
  /^root\.img(\.made)?$/,
];
const RUN_FILES = [
  /^monitor\.(sock|state|state\.last)$/,
  /^boot\.conf$/,
];

/** Every file of the daemon's folders has a reason to be there. */
function fileFaults(
  { stateDir, runtimeDir }: Subject,
  { vms, pluginDigests }: Rows,
  seen: readonly Seen[],
): string[] {
  const digests = new Set([
    ...vms.flatMap((vm) => vm.digests),
    ...pluginDigests,
  ]);
  const ids = new Set(vms.map(({ id }) => String(id)));
  const running = new Set(
    seen.filter(({ status }) => LIVE.includes(status))
      .map(({ id }) => String(id)),
  );
  const isAllowedState = (path: string) => {
    const [folder, id = "", ...rest] = path.split("/");
    if (folder === "vms") {
      return ids.has(id) && VM_FILES.some((each) => each.test(rest.join("/")));
    }
    if (folder === "artifacts") {
      return id === "sha256" && digests.has(`sha256:${rest[0]}`);
    }
    return STATE_FILES.some((each) => each.test(path));
  };
  const isAllowedRun = (path: string) => {
    const [folder, id = "", ...rest] = path.split("/");
    if (folder !== "vms") return path === "lock" || path === "volant.sock";
    return running.has(id) &&
      RUN_FILES.some((each) => each.test(rest.join("/")));
  };
  const strangers = (root: string, isAllowed: (path: string) => boolean) =>
    filesBelow(root).map((path) => path.slice(root.length + 1))
      .filter((path) => !isAllowed(path))
      .map((path) => `file ${root}/${path} is nobody's`);
  const folders = (root: string) =>
    [...Deno.readDirSync(root)].filter(({ name }) => !ids.has(name))
      .map(({ name }) => `${root}/${name} belongs to no VM`);
  const kept = new Set(
    filesBelow(`${stateDir}/artifacts/sha256`)
      .map((path) => `sha256:${path.split("/").at(-1)}`),
  );
  return [
    ...strangers(stateDir, isAllowedState),
    ...strangers(runtimeDir, isAllowedRun),
    ...folders(`${stateDir}/vms`),
    ...folders(`${runtimeDir}/vms`),
    ...[...digests].filter((digest) => !kept.has(digest))
      .map((digest) => `artifact ${digest} is gone`),
  ];
}

/** TAPs, firewall elements and ports of those that run, and no others. */
async function networkFaults(
  { netns, bystanders }: Subject,
  vms: readonly Seen[],
): Promise<string[]> {
  if (netns === undefined) return [];
  const running = vms.filter(({ status }) => LIVE.includes(status));
  const bridged = running.filter(({ network }) => network === "bridged");
  const taps = (await netns.links()).filter((name) => /-\d+$/.test(name));
  const ports = running.filter(({ network }) => network === "user")
    .flatMap(({ expose }) => expose.map(({ host_port }) => String(host_port)));
  return [
    ...differences("TAP", taps, bridged.map(({ id }) => `vbr0-${id}`)),
    ...differences(
      "firewall element",
      (await firewallElements(netns)).filter((each) => !isOpen(each, bridged)),
      bridged.flatMap(elementsOf),
    ),
    ...(bystanders === undefined
      ? []
      : differences("port", listeningPorts(netns).map(String), ports)),
  ];
}

/** Of a guest that runs and may be open to others, which the API does not tell. */
function isOpen(element: string, running: readonly Seen[]): boolean {
  return running.some(({ id, ip_address }) =>
    element === `inet open ${ip_address}` ||
    element === `bridge open vbr0-${id}`
  );
}

function elementsOf(
  { id, ip_address: ip, mac_address: mac, expose }: Seen,
): string[] {
  return [
    `inet guests ${ip}`,
    `bridge guests vbr0-${id} ${mac} ${ip}`,
    ...expose.flatMap(({ host_ip, host_port, port, protocol }) => [
      `inet published ${ip} ${protocol} ${port}`,
      host_ip === "0.0.0.0"
        ? `inet ${protocol}_any ${host_port} ${ip} ${port}`
        : `inet ${protocol}_at ${host_ip} ${host_port} ${ip} ${port}`,
    ]),
  ];
}

function differences(
  what: string,
  found: readonly string[],
  wanted: readonly string[],
): string[] {
  return [
    ...found.filter((each) => !wanted.includes(each))
      .map((each) => `${what} ${each} is of no VM that runs`),
    ...wanted.filter((each) => !found.includes(each))
      .map((each) => `${what} ${each} is missing`),
  ];
}
