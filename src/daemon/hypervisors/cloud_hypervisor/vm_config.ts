/**
 * The body of Cloud Hypervisor's `vm.create`, worked out of a `BootSpec`: pure,
 * and checked against that program's own OpenAPI document in the test.
 *
 * Streams of the guest: the serial line is the kernel's console, hvc0 the
 * workload's output, and the control port is vsock: the guest connects to a
 * port of the host, which the VMM serves as the socket `VSOCK_PORT`.
 *
 * @module
 */

import { Fault } from "../../../lib/fault.ts";
import type { BootSpec, GuestPorts, NicSpec } from "../hypervisor.ts";

/** Each VM has a vsock of its own, so the same address can be in all of them. */
const GUEST_CID = 3;
/** Ports below 1024 are the host's to give (vsock(7)). */
const CONTROL_PORT = 1024;
const MIB = 1024 * 1024;

/** The part of `VmConfig` that Volant sets. */
export interface VmConfig {
  readonly cpus: { readonly boot_vcpus: number; readonly max_vcpus: number };
  readonly memory: { readonly size: number };
  readonly payload: {
    readonly kernel: string;
    readonly cmdline: string;
    readonly initramfs?: string;
  };
  readonly disks: readonly {
    readonly path: string;
    readonly readonly: boolean;
    readonly image_type: "Raw" | "Qcow2";
  }[];
  readonly net: readonly { readonly tap: string; readonly mac: string }[];
  readonly rng: { readonly src: string };
  readonly serial: { readonly mode: "Socket"; readonly socket: string };
  readonly console: { readonly mode: "Socket"; readonly socket: string };
  readonly vsock: { readonly cid: number; readonly socket: string };
}

export const CLOUD_HYPERVISOR_PORTS: GuestPorts = {
  control: `vsock:${CONTROL_PORT}`,
  output: "/dev/hvc0",
  off: "poweroff",
};

export function vmConfig(spec: BootSpec): VmConfig {
  return {
    cpus: { boot_vcpus: spec.vcpus, max_vcpus: spec.vcpus },
    memory: { size: spec.memoryMib * MIB },
    payload: {
      kernel: spec.kernelPath,
      cmdline: ["console=ttyS0", "quiet", "panic=-1", ...spec.kernelArgs]
        .join(" "),
      ...(spec.initramfsPath !== undefined && {
        initramfs: spec.initramfsPath,
      }),
    },
    // The type is said, not guessed: a guest could write another one's magic.
    disks: spec.disks.map(({ path, format, readOnly }) => ({
      path,
      readonly: readOnly,
      image_type: format === "raw" ? "Raw" : "Qcow2",
    })),
    net: spec.nic === undefined ? [] : [net(spec.name, spec.nic)],
    rng: { src: "/dev/urandom" },
    serial: { mode: "Socket", socket: `${spec.runDir}/serial.sock` },
    console: { mode: "Socket", socket: `${spec.runDir}/output.sock` },
    vsock: { cid: GUEST_CID, socket: `${spec.runDir}/vsock.sock` },
  };
}

function net(vmName: string, nic: NicSpec): VmConfig["net"][number] {
  if (nic.kind === "tap") return { tap: nic.tapName, mac: nic.mac };
  throw new Fault(
    "not-supported",
    `Cannot boot VM "${vmName}" with Cloud Hypervisor: its network mode "user" needs QEMU`,
    { hint: "Use --hypervisor qemu, or another network mode" },
  );
}
