/**
 * What a user writes about a workload, in the one form the programs pass
 * around: defaults filled in, spellings unified, everything checked. Types
 * and word lists only; `manifest_schema.ts` does the checking and
 * `parse.ts` is the way in. The keys are those of the wire, so that a
 * manifest is stored and sent as it is.
 *
 * Optional keys admit `undefined`, so that a manifest can be put together
 * from optional parts; JSON has no such keys.
 *
 * @module
 */

import type { RlimitName } from "./signals.ts";
import type { Digest } from "./values.ts";

export const ROOTFS_FORMATS = [
  "raw",
  "qcow2",
  "erofs",
  "squashfs",
  "ext4",
  "xfs",
  "btrfs",
] as const;
export type RootfsFormat = typeof ROOTFS_FORMATS[number];

export const DISK_FORMATS = ["raw", "qcow2"] as const;
export type DiskFormat = typeof DISK_FORMATS[number];

export const NETWORK_MODES = [
  "user",
  "bridged",
  "none",
  "vsock",
  "dhcp",
] as const;
export type NetworkMode = typeof NETWORK_MODES[number];

export const PROTOCOLS = ["tcp", "udp"] as const;
export type Protocol = typeof PROTOCOLS[number];

export const RESTART_POLICIES = ["no", "on-failure", "always"] as const;
export type RestartPolicy = typeof RESTART_POLICIES[number];

export const AGENT_MODES = ["lazy", "on", "off"] as const;
export type AgentMode = typeof AGENT_MODES[number];

export interface Manifest {
  readonly schema_version: "v1";
  readonly name: string;
  readonly version: string;
  readonly runtime: string;
  readonly enabled: boolean;
  readonly image?: string | undefined;
  readonly image_digest?: string | undefined;
  readonly rootfs?: Rootfs | undefined;
  readonly initramfs?: Artifact | undefined;
  readonly disks: readonly Disk[];
  readonly resources: Resources;
  /** Absent only where `init` says that the guest is on its own. */
  readonly workload?: Workload | undefined;
  readonly health_check?: HealthCheck | undefined;
  readonly network: Network;
  readonly actions: Readonly<Record<string, Action>>;
  readonly cloud_init?: CloudInit | undefined;
  readonly devices?: Devices | undefined;
  readonly agent: AgentMode;
  /** Absent: the shim is PID 1. */
  readonly init?: Init | undefined;
  readonly kernel?: Kernel | undefined;
  readonly ephemeral: boolean;
  readonly openapi?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** A file the VM needs, by where it is and what it is. */
export interface Artifact {
  /**
   * `http(s)://`, an absolute path, `sha256:` of a file the daemon holds, or a
   * path relative to the manifest's folder, which whoever read the manifest
   * from a file resolves before passing it on.
   */
  readonly url: string;
  readonly checksum?: Digest | undefined;
}

export interface Rootfs extends Artifact {
  readonly format: RootfsFormat;
}

export interface Disk {
  readonly name: string;
  /** As `Artifact.url`. */
  readonly source: string;
  readonly checksum?: Digest | undefined;
  readonly format: DiskFormat;
  readonly readonly: boolean;
  readonly target?: string | undefined;
}

export interface Resources {
  readonly cpu_cores: number;
  readonly memory_mb: number;
  /** Of the state disk, in MiB; it is sparse. */
  readonly disk_mb: number;
}

export interface Workload {
  readonly type?: "http" | undefined;
  readonly base_url?: string | undefined;
  readonly entrypoint: readonly string[];
  /** Words after the entrypoint; apart from it so that a VM may replace them. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workdir?: string | undefined;
  /** `name`, `uid`, `name:group` or `uid:gid`. */
  readonly user?: string | undefined;
  /** Supplementary groups, by id. */
  readonly groups: readonly number[];
  /** The shim's for the workload, and the daemon's for the machine. */
  readonly restart: RestartPolicy;
  /** A name `signalNumber` knows. */
  readonly stop_signal: string;
  readonly grace_ms: number;
  readonly rlimits: Readonly<Partial<Record<RlimitName, Rlimit>>>;
}

export interface Rlimit {
  readonly soft: number | "unlimited";
  readonly hard: number | "unlimited";
}

export interface HealthCheck {
  readonly endpoint: string;
  readonly timeout_ms: number;
  readonly interval_ms: number;
}

export interface Network {
  /** Absent: the daemon's default. */
  readonly mode?: NetworkMode | undefined;
  readonly expose: readonly Expose[];
}

export interface Expose {
  readonly name?: string | undefined;
  readonly protocol: Protocol;
  readonly port: number;
  /** 0: the daemon picks a free one; absent: the port is not published. */
  readonly host_port?: number | undefined;
  readonly host_ip?: string | undefined;
}

export interface Action {
  readonly description?: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly timeout_ms?: number | undefined;
}

export interface CloudInit {
  readonly datasource: "NoCloud";
  readonly seed_mode: "vfat";
  readonly user_data?: CloudInitDocument | undefined;
  readonly meta_data?: CloudInitDocument | undefined;
  readonly network_config?: CloudInitDocument | undefined;
}

/** `content` where `inline`, else `path`. */
export interface CloudInitDocument {
  readonly inline: boolean;
  readonly content?: string | undefined;
  readonly path?: string | undefined;
}

export interface Devices {
  readonly pci_passthrough: readonly string[];
  readonly allowlist: readonly string[];
}

/** Who is PID 1 instead of the shim: exactly one of the two. */
export interface Init {
  readonly path?: string | undefined;
  readonly none?: true | undefined;
}

export interface Kernel {
  readonly cmdline: string;
}

/** The whole command of a workload. */
export function workloadCommand(workload: Workload): readonly string[] {
  return [...workload.entrypoint, ...workload.args];
}
