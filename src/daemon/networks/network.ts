/**
 * What a network mode does for one VM.
 *
 * A mode is asked twice: `lease` when the VM is created (what it will hold until
 * it is deleted), `attach` at each start. To add one: a file here, one line in
 * `registry.ts`, its name in `api/vms.ts`.
 *
 * @module
 */

import type { PublishedPort } from "../../api/vms.ts";
import type { NicSpec } from "../hypervisors/hypervisor.ts";

/** What a VM holds of its network from create to delete. */
export interface NetworkLease {
  readonly mode: "user" | "none";
  /** Empty without a NIC, as are the others. */
  readonly ip: string;
  readonly mac: string;
  readonly publish: readonly Required<PublishedPort>[];
}

/** What the guest is told, and the VMM given, for one start. */
export interface Attachment extends AsyncDisposable {
  readonly nic?: NicSpec;
  readonly guest?: {
    /** With prefix length. */
    readonly ip: string;
    readonly gateway: string;
    readonly dns: readonly string[];
  };
}

export interface Network {
  readonly mode: NetworkLease["mode"];

  /** Throws `not-supported` for what this mode cannot do. */
  lease(
    vmName: string,
    publish: readonly Required<PublishedPort>[],
  ): Promise<NetworkLease>;

  /** Throws `port-in-use`, `hypervisor-unavailable`. */
  attach(lease: NetworkLease): Promise<Attachment>;

  /**
   * Where the host reaches a port of the guest; undefined where it cannot.
   */
  reach(
    lease: NetworkLease,
    port: number,
  ): { readonly host: string; readonly port: number } | undefined;
}
