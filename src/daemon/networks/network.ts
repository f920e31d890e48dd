/**
 * What a network mode does for one VM.
 *
 * A mode is asked three times: `lease` when the VM is created (what it will hold
 * until it is deleted), `attach` at each start, `detach` once each machine is
 * gone. And once for all VMs, when the daemon starts: `reconcile`. To add one: a
 * file here, one line in `registry.ts`.
 *
 * @module
 */

import type { PublishedPort } from "../../api/vms.ts";
import type { NicSpec } from "../hypervisors/hypervisor.ts";

/** What a VM holds of its network from create to delete. */
export interface NetworkLease {
  readonly mode: "user" | "bridged" | "none";
  /** Empty without a NIC, as are the others. */
  readonly ip: string;
  readonly mac: string;
  readonly publish: readonly Required<PublishedPort>[];
  /** Of `bridged` only: the subnet the address was taken from. */
  readonly subnet?: {
    readonly gateway: string;
    readonly prefix: number;
  };
  /** Of `bridged` only: whether it is kept apart from the other guests. */
  readonly isolated?: boolean;
}

export interface LeaseRequest {
  readonly vmName: string;
  readonly publish: readonly Required<PublishedPort>[];
  /** Asked for by name. */
  readonly ip?: string;
  readonly isolated?: boolean;
}

/** The VM a lease is attached for. */
export interface LeaseHolder {
  /** Never given to another VM. */
  readonly id: number;
  readonly name: string;
  readonly lease: NetworkLease;
}

/** What the guest is told, and the VMM given, for one start. */
export interface Attachment {
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

  /**
   * Chooses what the VM will hold. `taken` are the addresses of all VMs there
   * are at the moment of the call. No other lease gets the address until
   * `release`, by when the caller has written it down or given up. Throws
   * `not-supported` for what this mode cannot do, `address-in-use`,
   * `no-free-address`, `network-unavailable`.
   */
  lease(request: LeaseRequest, taken: readonly string[]): Promise<NetworkLease>;

  /** The create that took the lease has ended, with a record or without. */
  release(lease: NetworkLease): void;

  /** Throws `port-in-use`, `hypervisor-unavailable`, `network-unavailable`. */
  attach(holder: LeaseHolder): Promise<Attachment>;

  /**
   * Takes away what `attach` made on the host; nothing if nothing is there.
   * Called once the machine is gone, and again whenever that is in doubt.
   */
  detach(holder: LeaseHolder): Promise<void>;

  /**
   * Makes the host as `running`, the VMs of this mode that have a machine, need
   * it, and removes what belongs to none of them. Throws nothing that one VM
   * alone is to blame for.
   */
  reconcile(running: readonly LeaseHolder[]): Promise<void>;

  /**
   * Where the host reaches a port of the guest; undefined where it cannot.
   */
  reach(
    lease: NetworkLease,
    port: number,
  ): { readonly host: string; readonly port: number } | undefined;
}
