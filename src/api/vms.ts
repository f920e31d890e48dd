/**
 * The endpoints of virtual machines, and the shapes that travel through them.
 *
 * Field names and paths are those of the first Volant, so that its clients go
 * on working; what is new stands beside them. Times are RFC 3339 in UTC.
 *
 * @module
 */

import type { Manifest, NetworkMode } from "../manifest/manifest.ts";
import { endpoint } from "./endpoint.ts";

/**
 * pending: recorded, never started. starting: the VMM is being started or the
 * workload does not run yet. running: the workload runs. stopping: a stop was
 * asked for. stopped: ended as wanted, or the workload ended with status 0.
 * crashed: ended in any other way; `exit` says how.
 */
export const VM_STATUSES = [
  "pending",
  "starting",
  "running",
  "paused",
  "stopping",
  "stopped",
  "crashed",
] as const;

export type VmStatus = typeof VM_STATUSES[number];

/** A guest port that is reachable on the host. */
export interface PublishedPort {
  /** Address on the host; default 127.0.0.1. */
  readonly host_ip?: string;
  /** 0 asks for any free one. */
  readonly host_port: number;
  /** Port in the guest. */
  readonly port: number;
  readonly protocol?: "tcp" | "udp";
}

/** How one VM is connected, over its manifest's `network`. */
export interface VmNetwork {
  readonly mode?: NetworkMode;
  /** An address asked for by name; `bridged` only. */
  readonly ip?: string;
  /** Whether it and the other guests of its bridge are kept apart; default true. */
  readonly isolated?: boolean;
}

/** What one VM may set over its manifest. */
export interface VmConfig {
  /** The plugin the manifest is of, if it was not given with the request. */
  readonly plugin?: string;
  readonly manifest: Manifest;
  readonly resources?: {
    readonly cpu_cores?: number;
    readonly memory_mb?: number;
    readonly disk_mb?: number;
  };
  readonly network?: VmNetwork;
  readonly expose?: readonly PublishedPort[];
  /** Added to the workload's environment, over the manifest's. */
  readonly env?: Readonly<Record<string, string>>;
  readonly restart?: "no" | "on-failure" | "always";
  /** Whether what the guest writes to its root is lost at stop; over the manifest's. */
  readonly ephemeral?: boolean;
  /** Delete the VM once it has ended. */
  readonly auto_remove?: boolean;
  /** Words added to the kernel's command line. */
  readonly kernel_cmdline?: string;
  /** Host path of an uncompressed kernel with a PVH entry. */
  readonly kernel_override?: string;
  /** Whether the manifest also travels on the kernel's command line; default true. */
  readonly manifest_on_cmdline?: boolean;
}

/** One phase of the last boot, in milliseconds since the start was asked for. */
export interface BootPhases {
  readonly requested_at: string;
  /** The VMM was executed. */
  readonly vmm_ms?: number;
  /** The kernel had started the shim. */
  readonly kernel_ms?: number;
  /** The shim had started the workload. */
  readonly workload_ms?: number;
  /** The health check answered for the first time. */
  readonly healthy_ms?: number;
}

export interface VmExit {
  /** `stopped`, `exited`, `guest-panic`, ...: see docs/monitor.md. */
  readonly cause: string;
  /** Exit status of the workload, 0-255, where it is known. */
  readonly status?: number;
  /** The machine had to be ended because the guest did not in time. */
  readonly forced: boolean;
  readonly detail?: string;
  readonly at: string;
}

export interface VmView {
  readonly id: number;
  readonly name: string;
  readonly status: VmStatus;
  readonly runtime: string;
  /** Of the plugin it was created from, if any. */
  readonly plugin?: string;
  /** Pid of the VMM while there is one. */
  readonly pid?: number;
  /** Address inside the VM's network; empty without one. */
  readonly ip_address: string;
  readonly mac_address: string;
  readonly cpu_cores: number;
  readonly memory_mb: number;
  /** The whole command line of the last start. */
  readonly kernel_cmdline: string;
  readonly serial_socket: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly hypervisor: string;
  readonly network: NetworkMode;
  readonly expose: readonly Required<PublishedPort>[];
  /** Restarts of the workload inside the running guest. */
  readonly restarts: number;
  /** What was last asked for, whatever became of it since. */
  readonly wanted: "running" | "stopped";
  /** Machines started by the restart policy, in a row; a minute of running ends the row. */
  readonly machine_restarts: number;
  /** When the restart policy starts it again, while it waits for that. */
  readonly restarting_at?: string;
  /** `none` where the manifest names no check that the host can make. */
  readonly health: "none" | "starting" | "healthy" | "unhealthy";
  readonly boot?: BootPhases;
  readonly exit?: VmExit;
}

/** Fields of a path that names a VM. */
interface Named {
  readonly name: string;
}

/** Until when `create`, `start` and `restart` answer. */
export type WaitFor = "none" | "running" | "healthy";

interface Waiting {
  /** Default `running`. */
  readonly wait?: WaitFor;
  /** How long to wait, in seconds; default 60. The VM goes on starting after it. */
  readonly timeout?: number;
}

export interface CreateVmInput extends Waiting {
  readonly name: string;
  /** With a manifest, or naming a plugin. */
  readonly config?: Omit<VmConfig, "manifest"> & {
    readonly manifest?: Manifest;
  };
  /** As `config.plugin`, which wins. */
  readonly plugin?: string;
  /** As `config.resources`, which wins. */
  readonly cpu_cores?: number;
  readonly memory_mb?: number;
  readonly runtime?: string;
  readonly kernel_cmdline?: string;
  /** Whether to start it at once; default true. */
  readonly start?: boolean;
}

export interface ListVmsInput {
  /** Comma-separated statuses. */
  readonly status?: string;
  readonly runtime?: string;
  /** Name of the plugin, or of the manifest where there was none. */
  readonly plugin?: string;
  /** Part of name, address or runtime. */
  readonly q?: string;
  readonly limit?: number;
  readonly offset?: number;
  readonly sort?: "name" | "status" | "runtime" | "created_at" | "updated_at";
  readonly order?: "asc" | "desc";
}

/** One line of a workload's output. */
export interface LogLine {
  readonly timestamp: string;
  readonly stream: "stdout" | "stderr";
  readonly line: string;
}

const START_FAULTS = [
  "wrong-state",
  "boot-failed",
  "hypervisor-unavailable",
  "not-enough-memory",
  "not-supported",
  "port-in-use",
  "disk-full",
  "disk-read-only",
  "disk-failed",
  "checksum-mismatch",
  "invalid-kernel",
  "file-not-found",
  "timed-out",
] as const;

export const listVms = endpoint<ListVmsInput, readonly VmView[]>({
  id: "listVms",
  method: "GET",
  path: "/api/v1/vms",
  tag: "VMs",
  summary: "List virtual machines; X-Total-Count counts all that match",
  status: 200,
  faults: ["invalid-input"],
});

export const createVm = endpoint<CreateVmInput, VmView>({
  id: "createVm",
  method: "POST",
  path: "/api/v1/vms",
  tag: "VMs",
  summary: "Create a virtual machine from a plugin or a manifest and start it",
  status: 201,
  query: ["wait", "timeout"],
  faults: [
    "invalid-input",
    "invalid-manifest",
    "plugin-not-found",
    "plugin-disabled",
    "vm-exists",
    "download-failed",
    ...START_FAULTS,
  ],
});

export const getVm = endpoint<Named, VmView>({
  id: "getVm",
  method: "GET",
  path: "/api/v1/vms/:name",
  tag: "VMs",
  summary: "Show a virtual machine",
  status: 200,
  faults: ["vm-not-found"],
});

export const deleteVm = endpoint<Named & { readonly force?: boolean }, void>({
  id: "deleteVm",
  method: "DELETE",
  path: "/api/v1/vms/:name",
  tag: "VMs",
  summary:
    "Delete a virtual machine and all that is its own; with force=false only one that does not run",
  status: 204,
  faults: ["vm-not-found", "wrong-state"],
});

export const startVm = endpoint<Named & Waiting, VmView>({
  id: "startVm",
  method: "POST",
  path: "/api/v1/vms/:name/start",
  tag: "VMs",
  summary: "Start a virtual machine",
  status: 200,
  query: ["wait", "timeout"],
  faults: ["vm-not-found", ...START_FAULTS],
});

export interface StopVmInput extends Named {
  /** How long the workload may take to end, in seconds; default the manifest's. */
  readonly grace?: number;
  /** End the VMM at once, without asking the guest. */
  readonly kill?: boolean;
}

export const stopVm = endpoint<StopVmInput, VmView>({
  id: "stopVm",
  method: "POST",
  path: "/api/v1/vms/:name/stop",
  tag: "VMs",
  summary: "Stop a virtual machine and wait until it has ended",
  status: 200,
  query: ["grace", "kill"],
  faults: ["vm-not-found", "wrong-state"],
});

export const restartVm = endpoint<StopVmInput & Waiting, VmView>({
  id: "restartVm",
  method: "POST",
  path: "/api/v1/vms/:name/restart",
  tag: "VMs",
  summary: "Stop a virtual machine if it runs, and start it",
  status: 200,
  query: ["grace", "kill", "wait", "timeout"],
  faults: ["vm-not-found", ...START_FAULTS],
});

export interface WaitVmInput extends Named {
  /** `stopped` means ended, in whatever way; default. */
  readonly for?: "running" | "healthy" | "stopped";
  /** In seconds; default 3600. */
  readonly timeout?: number;
}

export const waitVm = endpoint<WaitVmInput, VmView>({
  id: "waitVm",
  method: "GET",
  path: "/api/v1/vms/:name/wait",
  tag: "VMs",
  summary: "Wait until a virtual machine runs, is healthy, or has ended",
  status: 200,
  faults: ["vm-not-found", "timed-out", "wrong-state"],
});

export interface LogsVmInput extends Named {
  readonly follow?: boolean;
  /** Only the last so many lines. */
  readonly tail?: number;
  /** `workload` (default), or `console`: the kernel's, as raw lines without times. */
  readonly source?: "workload" | "console" | "vmm";
}

export const logsVm = endpoint<LogsVmInput, LogLine>({
  id: "logsVm",
  method: "GET",
  path: "/api/v1/vms/:name/logs",
  tag: "VMs",
  summary: "Read a virtual machine's output, a JSON object a line",
  status: 200,
  replyType: "application/x-ndjson",
  faults: ["vm-not-found", "invalid-input"],
});

/** Path of the console WebSocket: binary frames both ways, as on the serial line. */
export function consolePath(name: string): string {
  return `/ws/v1/vms/${encodeURIComponent(name)}/console`;
}
