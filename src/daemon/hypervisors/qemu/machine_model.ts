/**
 * What differs between the machines that QEMU can be: board, buses, and where
 * the guest finds its ports. One file beside this has each of them.
 *
 * The model is a choice of the daemon, not of a VM: a machine is told and ended
 * through its monitor, so one of another model is taken up like any other.
 *
 * @module
 */

import type { GuestPorts } from "../hypervisor.ts";

export interface MachineModel {
  /** QEMU's words for the board. */
  readonly words: readonly string[];
  /** How QEMU names a virtio device on its bus: `virtio-blk-SUFFIX`. */
  readonly virtioSuffix: string;
  /** What a NIC has to be told beside its address. */
  readonly nicProperties: readonly string[];
  /** The kernel's words for the board. */
  readonly kernelWords: readonly string[];
  /** Bytes QEMU adds to the kernel's command line for each virtio device. */
  readonly deviceWordBytes: number;
  readonly ports: GuestPorts;
}
