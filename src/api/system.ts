/**
 * The endpoints of the daemon itself.
 *
 * @module
 */

import { endpoint } from "./endpoint.ts";

export interface HealthView {
  readonly status: "ok";
}

export interface InfoView {
  readonly status: "ok";
  readonly version: string;
  /** Socket the API listens on. */
  readonly api_listen_addr: string;
  readonly hypervisor: {
    readonly name: string;
    readonly version: string;
    /** `microvm` or `q35`, of a hypervisor that has several. */
    readonly machine?: string;
    /** `kvm`, `tcg` where guests are emulated, `none` where none is real. */
    readonly accelerator: string;
  };
  readonly state_dir: string;
  readonly runtime_dir: string;
}

export interface SummaryView {
  readonly total_vms: number;
  readonly by_status: Readonly<Record<string, number>>;
  readonly by_runtime: Readonly<Record<string, number>>;
  readonly total_plugins: number;
  readonly enabled_plugins: number;
  readonly plugins: readonly {
    readonly name: string;
    readonly version: string;
    readonly enabled: boolean;
  }[];
}

export const getHealth = endpoint<Record<never, never>, HealthView>({
  id: "getHealth",
  method: "GET",
  path: "/healthz",
  tag: "System",
  summary: "Say that the daemon serves",
  status: 200,
  faults: [],
});

export const getStatus = endpoint<Record<never, never>, HealthView>({
  id: "getStatus",
  method: "GET",
  path: "/api/v1/system/status",
  tag: "System",
  summary: "Say that the daemon serves",
  status: 200,
  faults: [],
});

export const getInfo = endpoint<Record<never, never>, InfoView>({
  id: "getInfo",
  method: "GET",
  path: "/api/v1/system/info",
  tag: "System",
  summary: "Show version, hypervisor and folders of the daemon",
  status: 200,
  faults: ["hypervisor-unavailable"],
});

export const getSummary = endpoint<Record<never, never>, SummaryView>({
  id: "getSummary",
  method: "GET",
  path: "/api/v1/system/summary",
  tag: "System",
  summary: "Count virtual machines and plugins",
  status: 200,
  faults: [],
});
