/**
 * What the monitor tells of its machine: `monitor.state`, as values.
 *
 * The monitor writes it for every change; see docs/monitor.md for the keys.
 * The guest has a part in what stands there, so nothing in it is trusted to be
 * well-formed.
 *
 * @module
 */

/** Who a process is, so that a recycled pid is never taken for it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since the host's boot. */
  readonly start: number;
  /** Path of its executable, where it is known. */
  readonly exe?: string;
}

export const GUEST_STATES = [
  "unknown",
  "booting",
  "started",
  "waiting",
  "stopping",
  "exited",
  "off",
] as const;

export type GuestState = typeof GUEST_STATES[number];

/** Why a machine ended. The last two are found by the daemon, not the monitor. */
export const END_CAUSES = [
  "stopped",
  "killed",
  "exited",
  "guest-oom",
  "guest-fault",
  "guest-panic",
  "guest-reset",
  "vmm-failed",
  "vmm-crashed",
  "companion-failed",
  "monitor-lost",
  "host-rebooted",
] as const;

export type EndCause = typeof END_CAUSES[number];

export interface MachineState {
  readonly bootId: string;
  readonly monitor: ProcessIdentity;
  readonly vmm: ProcessIdentity | undefined;
  /** Milliseconds since the epoch, with fractions. */
  readonly spawnedAt: number | undefined;
  readonly kernelAt: number | undefined;
  readonly workloadAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly guest: GuestState;
  readonly restarts: number;
  readonly workloadStatus: number | undefined;
  readonly forced: boolean;
  /** Set once the machine has ended. */
  readonly cause: EndCause | undefined;
  readonly detail: string | undefined;
}

/** Reads the `key=value` lines of `monitor.state`. */
export function parseMachineState(text: string): MachineState {
  const words = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0) words.set(line.slice(0, at), line.slice(at + 1));
  }
  const number = (key: string) => {
    const value = Number(words.get(key));
    return words.has(key) && Number.isFinite(value) ? value : undefined;
  };
  const time = (key: string) => {
    const ns = words.get(key);
    return ns !== undefined && /^\d{1,19}$/.test(ns)
      ? Number(BigInt(ns) / 1000n) / 1000
      : undefined;
  };
  const identity = (who: string) => {
    const pid = number(`${who}_pid`);
    if (pid === undefined || pid <= 0) return undefined;
    const exe = words.get(`${who}_exe`);
    const start = number(`${who}_start`) ?? 0;
    return { pid, start, ...(exe && { exe }) };
  };
  return {
    bootId: words.get("boot_id") ?? "",
    monitor: identity("monitor") ?? { pid: 0, start: 0 },
    vmm: identity("vmm"),
    spawnedAt: time("spawned_ns"),
    kernelAt: time("kernel_ns"),
    workloadAt: time("workload_ns"),
    endedAt: time("ended_ns"),
    guest: oneOf(GUEST_STATES, words.get("guest")) ?? "unknown",
    restarts: number("restarts") ?? 0,
    workloadStatus: number("workload_status"),
    forced: words.get("forced") === "1",
    cause: oneOf(END_CAUSES, words.get("cause")),
    detail: words.get("detail") || undefined,
  };
}

function oneOf<T extends string>(
  all: readonly T[],
  word: string | undefined,
): T | undefined {
  return all.find((each) => each === word);
}
