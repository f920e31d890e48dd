/**
 * `q35`: PCI and ACPI, as on a PC, for what needs either. A boot costs some
 * tenths more than microvm's.
 *
 * @module
 */

import type { MachineModel } from "./machine_model.ts";

export const Q35: MachineModel = {
  words: [
    "-M",
    // Nothing a guest of ours would use: it would only take time to find.
    "q35,smm=off,sata=off,smbus=off,i8042=off,hpet=off,usb=off,vmport=off",
    // Enters a PVH kernel at once, where SeaBIOS looks for disks first. It
    // comes with QEMU, whose microvm boots through it too.
    "-bios",
    "qboot.rom",
  ],
  // Our kernels have no driver for the older form, with ports of its own.
  virtioSuffix: "pci-non-transitional",
  // The ROM would be for booting from the network.
  nicProperties: ["romfile="],
  kernelWords: [],
  deviceWordBytes: 0,
  ports: {
    control: "/dev/ttyS1",
    output: "/dev/ttyS2",
    off: "poweroff",
  },
};
