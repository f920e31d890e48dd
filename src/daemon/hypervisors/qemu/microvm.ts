/**
 * `microvm`: no PCI, no ACPI, virtio over MMIO. The board with the least to
 * find, and so the quickest to boot.
 *
 * @module
 */

import type { MachineModel } from "./machine_model.ts";

export const MICROVM: MachineModel = {
  words: [
    "-M",
    "microvm,x-option-roms=off,pit=on,pic=on,rtc=on,acpi=off,isa-serial=off",
  ],
  virtioSuffix: "device",
  nicProperties: [],
  kernelWords: [
    // This machine has none; the kernel need not look for it.
    "acpi=off",
  ],
  // ` virtio_mmio.device=512@0xfeb00e00:12`: nothing else tells of them.
  deviceWordBytes: 40,
  ports: {
    control: "/dev/ttyS1",
    output: "/dev/ttyS2",
    // A triple fault ends QEMU; without ACPI there is no other way.
    off: "reset",
  },
};
