/**
 * The QEMU command of a boot, as a pure function.
 *
 * Each stream of the guest is one UART on a descriptor that the monitor inherits
 * to QEMU, so there is no socket file to find, to race for or to leave behind.
 * What depends on the board stands in its model.
 *
 * @module
 */

import type { BootSpec } from "../hypervisor.ts";
import type { MachineModel } from "./machine_model.ts";

/** Descriptors of the VMM; the monitor puts them there. */
export const DESCRIPTORS = {
  console: 10,
  control: 11,
  output: 12,
  network: 13,
  /** In the companion. */
  companion: 5,
} as const;

export interface QemuHost {
  readonly path: string;
  readonly accelerator: "kvm" | "tcg";
  readonly model: MachineModel;
  /** Rate of the host's time stamp counter; needed without KVM. */
  readonly tscKhz: number;
}

/** UARTs in the order of their device nodes, ttyS0 first. */
const UARTS = ["console", "control", "output"] as const;

export function qemuCommand(host: QemuHost, spec: BootSpec): string[] {
  const kvm = host.accelerator === "kvm";
  return [
    host.path,
    "-name",
    `guest=${escapeCommas(spec.name)}`,
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
    // No child processes, no new privileges, no obsolete system calls.
    "-sandbox",
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    ...host.model.words,
    "-accel",
    host.accelerator,
    "-cpu",
    // Without -erms the kernel copies by loops that TCG translates well.
    kvm ? "host" : "max,-erms",
    "-smp",
    String(spec.vcpus),
    "-m",
    String(spec.memoryMib),
    "-kernel",
    spec.kernelPath,
    ...(spec.initramfsPath === undefined
      ? []
      : ["-initrd", spec.initramfsPath]),
    "-append",
    qemuCommandLine(host, spec),
    ...uarts(spec),
    ...disks(host.model, spec),
    ...nic(host.model, spec),
  ];
}

/** The guest's whole kernel command line. */
export function qemuCommandLine(host: QemuHost, spec: BootSpec): string {
  return [
    "console=ttyS0",
    "quiet",
    // A triple fault ends QEMU (-no-reboot), after a panic too.
    "reboot=t",
    "panic=-1",
    ...host.model.kernelWords,
    ...(host.accelerator === "kvm" ? [] : tcgWords(host.tscKhz)),
    ...spec.kernelArgs,
  ].join(" ");
}

/**
 * Under emulation every timer calibration is slow, and a wrong one is for ever.
 * `lapic_timer_khz` is our kernels' own word (kernels/patches): QEMU's emulated
 * timer runs at 1 GHz.
 */
function tcgWords(tscKhz: number): string[] {
  return [
    `tsc_early_khz=${tscKhz}`,
    "tsc=reliable",
    "lapic_timer_khz=1000000",
    "noreplace-smp",
    "percpu_alloc=page",
  ];
}

function uarts(spec: BootSpec): string[] {
  return UARTS.flatMap((stream, index) => {
    if (stream === "control" && !spec.hasShim) return [];
    return [
      "-chardev",
      `socket,id=${stream},fd=${DESCRIPTORS[stream]}`,
      "-device",
      `isa-serial,chardev=${stream},index=${index}`,
    ];
  });
}

function disks({ virtioSuffix }: MachineModel, spec: BootSpec): string[] {
  return spec.disks.flatMap(({ path, format, readOnly }, index) => [
    "-drive",
    [
      `if=none,id=disk${index},format=${format}`,
      ...(readOnly ? ["readonly=on"] : [
        // What the guest gives up is given back to the host. A full disk is
        // told to the guest: nobody would wake one that was stopped for it.
        "readonly=off,discard=unmap,werror=report",
      ]),
      `file=${escapeCommas(path)}`,
    ].join(","),
    "-device",
    `virtio-blk-${virtioSuffix},drive=disk${index}`,
  ]);
}

function nic(
  { virtioSuffix, nicProperties }: MachineModel,
  { nic }: BootSpec,
): string[] {
  if (nic === undefined) return [];
  return [
    "-netdev",
    nic.kind === "stream"
      ? `stream,id=net0,addr.type=fd,addr.str=${DESCRIPTORS.network}`
      : `tap,id=net0,fd=${DESCRIPTORS.network}`,
    "-device",
    [
      `virtio-net-${virtioSuffix},netdev=net0,mac=${nic.mac}`,
      ...nicProperties,
    ].join(","),
  ];
}

/** QEMU's option lists take a comma in a value doubled. */
function escapeCommas(value: string): string {
  return value.replaceAll(",", ",,");
}
