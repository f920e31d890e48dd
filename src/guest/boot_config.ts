/**
 * The boot config: what the daemon tells PID 1 of a guest before it boots.
 *
 * `docs/boot.md` is the contract, the shim (`shim/boot_config.c`) its other
 * end. The encoder refuses what could not be carried or would be read as
 * something else (NUL bytes, line breaks in what becomes a line of a file, an
 * environment name with `=`); whether a hostname is a DNS label, or an address
 * free, is for those who chose it to know.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";

/** When the shim starts a workload that ended again. */
export type RestartPolicy = "no" | "on-failure" | "always";

/** How a guest ends its machine: triple fault, or ACPI (PSCI) power off. */
export type OffMethod = "reset" | "poweroff";

export type RootFileSystem = "erofs" | "squashfs" | "ext4" | "xfs" | "btrfs";

/** A resource limit by its kernel number: 7 is RLIMIT_NOFILE. */
export interface ResourceLimit {
  readonly resource: number;
  readonly soft: number | "unlimited";
  readonly hard: number | "unlimited";
}

/** The root file system of a guest that does not run in its initramfs. */
export interface RootDevice {
  readonly device: string;
  readonly fs: RootFileSystem;
  readonly mode: "rw" | "overlay";
  /** Block device (ext4) of the upper layer; a tmpfs when absent. */
  readonly state?: string | undefined;
}

export interface BootConfig {
  readonly hostname: string;
  /** Address and prefix length of eth0, `10.0.2.15/24`. */
  readonly ip?: string | undefined;
  readonly gateway?: string | undefined;
  readonly mtu?: number | undefined;
  readonly dns: readonly string[];
  readonly search: readonly string[];
  /** Lines of /etc/hosts: `10.0.2.2 gateway`. */
  readonly hosts: readonly string[];
  /** The workload's command; the first word without `/` is looked up in PATH. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly rlimits: readonly ResourceLimit[];
  readonly restart: RestartPolicy;
  readonly backoffMs: { readonly first: number; readonly longest: number };
  readonly stopSignal: number;
  readonly graceMs: number;
  /** The control port: `/dev/ttyS1` or `vsock:PORT`. */
  readonly control?: string | undefined;
  /** Device of the workload's stdout and stderr; the console when absent. */
  readonly output?: string | undefined;
  /** Absent: power off where the machine has ACPI, else reset. */
  readonly off?: OffMethod | undefined;
  readonly root?: RootDevice | undefined;
  /** For the agent, as JSON; `undefined` leaves it out. */
  readonly manifest: unknown;
}

/** What the shim assumes for a key that is not there; spread it and add `args`. */
export const BOOT_CONFIG_DEFAULTS = {
  hostname: "volant",
  dns: [],
  search: [],
  hosts: [],
  env: {},
  cwd: "/",
  uid: 0,
  gid: 0,
  groups: [],
  rlimits: [],
  restart: "no",
  backoffMs: { first: 1000, longest: 60_000 },
  stopSignal: 15,
  graceMs: 10_000,
  manifest: undefined,
} as const satisfies Omit<BootConfig, "args">;

/** Kernel command line word that names the disk with the boot config. */
export const BOOT_CONFIG_WORD = "volant.config";

/** Where the shim looks in the initramfs when the command line names no disk. */
export const BOOT_CONFIG_PATH = "/etc/volant/boot.conf";

const MAGIC = "VOLANTBC";
const VERSION = 1;
const HEADER_BYTES = 32;
const SECTOR_BYTES = 512;

/** Largest value of a field of 32 bits, and of a user or group id but one. */
const MAX_NUMBER = 0xffff_ffff;

/** The limits of the shim's parser for times; 2^31 ms are 24 days. */
const MAX_MILLISECONDS = 0x7fff_ffff;

/** The bytes of the boot config disk, padded to whole sectors. */
export function encodeBootConfig(config: BootConfig): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const records = encoder.encode(
    [...recordsOf(config)].map(([key, value]) => `${key}=${value}\0`).join(""),
  );
  const manifest = encoder.encode(
    config.manifest === undefined ? "" : JSON.stringify(config.manifest),
  );
  const used = HEADER_BYTES + records.length + manifest.length;
  const bytes = new Uint8Array(Math.ceil(used / SECTOR_BYTES) * SECTOR_BYTES);
  encoder.encodeInto(MAGIC, bytes);
  const header = new DataView(bytes.buffer);
  header.setUint32(8, VERSION, true);
  header.setUint32(12, records.length, true);
  header.setUint32(16, manifest.length, true);
  header.setUint32(20, fnv1a(records), true);
  header.setUint32(24, fnv1a(manifest), true);
  bytes.set(records, HEADER_BYTES);
  bytes.set(manifest, HEADER_BYTES + records.length);
  return bytes;
}

/** FNV-1a, 32 bit: enough to tell a truncated or stale disk from a good one. */
export function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c_9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return hash >>> 0;
}

/** The records of one key stand together: the shim makes its lists in place. */
type Rec = readonly [key: string, value: string];

function* recordsOf(config: BootConfig): Generator<Rec> {
  yield line("hostname", config.hostname);
  yield* networkRecords(config);
  yield* workloadRecords(config);
  yield* portRecords(config);
  if (config.root !== undefined) yield* rootRecords(config.root);
}

function* networkRecords(config: BootConfig): Generator<Rec> {
  if (config.ip !== undefined) yield line("ip", config.ip);
  if (config.gateway !== undefined) yield line("gateway", config.gateway);
  if (config.mtu !== undefined) yield number("mtu", config.mtu, 65_535);
  for (const server of config.dns) yield line("dns", server);
  for (const domain of config.search) yield line("search", domain);
  for (const host of config.hosts) yield line("host", host);
}

function* workloadRecords(config: BootConfig): Generator<Rec> {
  if (config.args.length === 0) {
    throw new Fault(
      "invalid-input",
      `Cannot write boot config of "${config.hostname}": it names no command`,
      { hint: "Give the workload's command in the manifest" },
    );
  }
  for (const word of config.args) yield text("arg", word);
  for (const [name, value] of Object.entries(config.env)) {
    yield variable(name, value);
  }
  yield text("cwd", config.cwd);
  yield number("uid", config.uid, MAX_NUMBER - 1);
  yield number("gid", config.gid, MAX_NUMBER - 1);
  for (const id of config.groups) yield number("group", id, MAX_NUMBER - 1);
  for (const limit of config.rlimits) {
    const soft = limitWord(limit.soft);
    const hard = limitWord(limit.hard);
    const [, resource] = number("rlimit", limit.resource, 15);
    yield ["rlimit", `${resource} ${soft} ${hard}`];
  }
  yield text("restart", config.restart);
  const { first, longest } = config.backoffMs;
  yield number("backoff_ms", first, MAX_MILLISECONDS);
  yield number("backoff_limit_ms", longest, MAX_MILLISECONDS);
  yield number("stop_signal", config.stopSignal, 64, 1);
  yield number("grace_ms", config.graceMs, MAX_MILLISECONDS);
}

function* portRecords(config: BootConfig): Generator<Rec> {
  if (config.control !== undefined) yield text("control", config.control);
  if (config.output !== undefined) yield text("output", config.output);
  if (config.off !== undefined) yield text("off", config.off);
}

function* rootRecords(root: RootDevice): Generator<Rec> {
  yield text("root", root.device);
  yield text("root_fs", root.fs);
  yield text("root_mode", root.mode);
  if (root.state !== undefined) yield text("state", root.state);
}

function text(key: string, value: string): Rec {
  if (value.includes("\0")) throw refused(key, "it contains a NUL byte");
  return [key, value];
}

/** A value that becomes a line, or a part of one, of a file in the guest. */
function line(key: string, value: string): Rec {
  if (value.includes("\n")) throw refused(key, "it contains a line break");
  return text(key, value);
}

function number(key: string, value: number, max: number, min = 0): Rec {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw refused(key, `${value} is not a whole number from ${min} to ${max}`);
  }
  return [key, String(value)];
}

function limitWord(value: number | "unlimited"): string {
  if (value === "unlimited") return "18446744073709551615";
  return number("rlimit", value, Number.MAX_SAFE_INTEGER)[1];
}

/** Never shows the value: it may be a secret. */
function variable(name: string, value: string): Rec {
  if (name === "" || name.includes("=")) {
    throw refused("env", `"${name}" is not a name of a variable`);
  }
  return text("env", `${name}=${value}`);
}

function refused(key: string, reason: string): Fault {
  return new Fault(
    "invalid-input",
    `Cannot write boot config key "${key}": ${reason}`,
  );
}
