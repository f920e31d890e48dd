/**
 * What befalls a host in the middle of an operation, and how it is taken away.
 */

import { attempt } from "../harness/host_facts.ts";
import { typeLine } from "./guests.ts";
import type { Driver, Host } from "./host.ts";
import { ANY, excuse, type Excuses, type Model } from "./model.ts";
import type { Random } from "./random.ts";

export interface Scene {
  readonly host: Host;
  readonly model: Model;
  readonly excuses: Excuses;
  readonly random: Random;
  /** VM whose machine is meant. */
  readonly victim: string;
  /** Has the client of the operation go away. */
  readonly abandon: () => void;
}

interface Fault {
  /** How often it is chosen. */
  readonly weight: number;
  /** False if there was nothing to strike. */
  readonly strike: (scene: Scene) => Promise<boolean | void> | boolean | void;
  /** Takes away what lasts. */
  readonly lift?: (scene: Scene) => Promise<void> | boolean | void;
  /** The daemon is to end by it. */
  readonly endsDaemon?: true;
  /** Only simulated guests can be told to. */
  readonly isSimulated?: true;
  /** The disk fails: whatever is done to the operation's VM may. */
  readonly failsDisk?: true;
}

const HOUR_S = 3600;

/** Those that end a machine can also come while no daemon runs. */
export const FAULTS = {
  nothing: { weight: 3, strike: () => {} },
  "kill-daemon": {
    weight: 14,
    endsDaemon: true,
    strike: ({ host }) => host.signalDaemon("SIGKILL"),
  },
  "stop-daemon": {
    weight: 3,
    endsDaemon: true,
    strike: ({ host }) => host.signalDaemon("SIGTERM"),
  },
  "kill-all": {
    weight: 2,
    endsDaemon: true,
    async strike(scene) {
      const { host, model } = scene;
      await host.signalDaemon("SIGKILL");
      for (const victim of model.vms.keys()) killMonitor({ ...scene, victim });
    },
  },
  "kill-monitor": { weight: 5, strike: killMonitor },
  "kill-vmm": { weight: 5, strike: (scene) => killVmm(scene, "SIGKILL") },
  "crash-vmm": { weight: 2, strike: (scene) => killVmm(scene, "SIGSEGV") },
  "kill-workload": { weight: 4, strike: killWorkload },
  "pause-vmm": {
    weight: 2,
    strike: (scene) => signalVmm(scene, "SIGSTOP"),
    lift: (scene) => signalVmm(scene, "SIGCONT"),
  },
  "full-disk": {
    weight: 4,
    failsDisk: true,
    strike: ({ host }) => host.fill(),
    lift: ({ host }) => host.fill(true),
  },
  "read-only-disk": {
    weight: 3,
    failsDisk: true,
    strike: ({ host }) => host.faults.set(`readonly ${host.folder}/state`),
    lift: ({ host }) => host.faults.clear(),
  },
  "failing-disk": {
    weight: 1,
    failsDisk: true,
    strike: ({ host }) => host.faults.set(`io ${host.folder}/state`),
    lift: ({ host }) => host.faults.clear(),
  },
  clock: {
    weight: 4,
    strike({ host, random }) {
      const hours = random.pick([1, 5, 24, 24 * 30]);
      const sign = random.chance(0.5) ? 1 : -1;
      host.faults.set(`clock ${sign * hours * HOUR_S}`);
    },
    lift: ({ host }) => host.faults.clear(),
  },
  "guest-exits": told(2, "exited", "exit 0"),
  "guest-fails": told(2, "exited", "exit 3"),
  "guest-panics": told(2, "guest-panic", "panic"),
  "guest-is-out-of-memory": told(2, "guest-oom", "oom"),
  "guest-crashes-vmm": told(1, "vmm-crashed", "crash 11"),
  "guest-fails-vmm": told(1, "vmm-failed", "fail 3"),
  "guest-leaves-half-a-line": told(1, "any", "half line"),
  "guest-leaves-half-a-disk": told(1, "any", "half disk"),
  "guest-lies": told(1, "any", "lie garbage"),
  "remove-socket": removes("monitor.sock"),
  "remove-state": removes("monitor.state"),
  "remove-run-directory": removes(""),
  "client-gone": { weight: 3, strike: ({ abandon }) => abandon() },
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof FAULTS;

export function faultWeights(
  driver: Driver,
): Readonly<Partial<Record<FaultName, number>>> {
  const all: [string, Fault][] = Object.entries(FAULTS);
  return Object.fromEntries(
    all.filter(([, { isSimulated }]) =>
      isSimulated !== true || driver === "simulated"
    ).map(([name, { weight }]) => [name, weight]),
  );
}

export function faultOf(name: FaultName): Fault {
  return FAULTS[name];
}

/** A simulated guest does as its console says. */
function told(weight: number, cause: string, line: string): Fault {
  return {
    weight,
    isSimulated: true,
    async strike({ host, model, excuses, victim }) {
      const id = model.vms.get(victim)?.id;
      if (id === undefined) return false;
      excuse(excuses, victim, cause);
      return await typeLine(host, id, line);
    },
  };
}

/** Something of a machine's run directory goes away. */
function removes(file: string): Fault {
  return {
    weight: 1,
    strike({ host, model, excuses, victim }) {
      const id = model.vms.get(victim)?.id;
      excuse(excuses, victim, ANY);
      const path = `${host.runtimeDir}/vms/${id}/${file}`;
      const remove = () => {
        Deno.removeSync(path, { recursive: true });
        model.update(victim, { isMaimed: true });
        return true;
      };
      return attempt(remove) ?? false;
    },
  };
}

/** Pids of a VM's machine, as its monitor wrote them. */
function machineOf(
  scene: Scene,
): { readonly monitor: number; readonly vmm: number } | undefined {
  const id = idOf(scene);
  const path = `${scene.host.runtimeDir}/vms/${id}/monitor.state`;
  const text = attempt(() => Deno.readTextFileSync(path));
  if (text === undefined || /^cause=/m.test(text)) return undefined;
  const pid = (key: string) =>
    Number(new RegExp(`^${key}=(\\d+)$`, "m").exec(text)?.[1]);
  return { monitor: pid("monitor_pid"), vmm: pid("vmm_pid") };
}

/** Of a VM that is just being created it is told by its run directory. */
function idOf({ host, model, victim }: Scene): string | undefined {
  const known = new Set([...model.vms.values()].map(({ id }) => String(id)));
  const vm = model.vms.get(victim);
  if (vm?.id !== undefined || vm === undefined) return vm && String(vm.id);
  return attempt(() => [...Deno.readDirSync(`${host.runtimeDir}/vms`)])
    ?.map(({ name }) => name).find((name) => !known.has(name));
}

/** Whether a pid that was read is still the monitor's, or its VMM's. */
function isOurs(host: Host, pid: number): boolean {
  const net = (id: number) =>
    attempt(() => Deno.readLinkSync(`/proc/${id}/ns/net`));
  return pid > 0 && net(pid) === net(host.netns.pid) && net(pid) !== undefined;
}

function kill(host: Host, pid: number, signal: Deno.Signal): void {
  if (isOurs(host, pid)) attempt(() => Deno.kill(pid, signal));
}

function killMonitor(scene: Scene): boolean {
  const machine = machineOf(scene);
  if (machine === undefined) return false;
  kill(scene.host, machine.monitor, "SIGKILL");
  excuse(scene.excuses, scene.victim, "monitor-lost", "start-interrupted");
  return true;
}

function killVmm(scene: Scene, signal: Deno.Signal): boolean {
  const machine = machineOf(scene);
  if (machine === undefined) return false;
  excuse(scene.excuses, scene.victim, "vmm-crashed");
  kill(scene.host, machine.vmm, signal);
  return true;
}

function signalVmm(scene: Scene, signal: Deno.Signal): boolean {
  const machine = machineOf(scene);
  if (machine === undefined) return false;
  kill(scene.host, machine.vmm, signal);
  return true;
}

/** By its monitor: no daemon is needed. */
async function killWorkload(scene: Scene): Promise<boolean> {
  const { host, victim, excuses, random } = scene;
  const id = idOf(scene);
  if (id === undefined) return false;
  try {
    using monitor = await Deno.connect({
      transport: "unix",
      path: `${host.runtimeDir}/vms/${id}/monitor.sock`,
    });
    const signal = random.pick([9, 15]);
    await monitor.write(new TextEncoder().encode(`signal ${signal}\n`));
    excuse(excuses, victim, "exited");
    await monitor.read(new Uint8Array(64));
    return true;
  } catch {
    // It has ended: there is no workload to kill.
    return false;
  }
}
