/**
 * Instructions from power-on to the workload's first one.
 *
 * The guest is booted by the command the driver itself makes, with the devices
 * of a real machine (NIC, boot config disk, control port, output); only their
 * other ends are QEMU's own, since nobody is there to talk to. A plugin of
 * QEMU's emulator counts until the workload's entry point: there is no marker in
 * product or shim. Under `-icount` the count repeats to some thousandths.
 */

import {
  DESCRIPTORS,
  qemuCommand,
} from "../../src/daemon/hypervisors/qemu/command.ts";
import { MACHINE_MODELS } from "../../src/daemon/hypervisors/qemu/machine_models.ts";
import type { BootSpec } from "../../src/daemon/hypervisors/hypervisor.ts";
import { built } from "../../tests/harness/built.ts";
import { initramfsGuest, MEMORY_MIB, rootfsGuest } from "./boot_guests.ts";
import { debianCloudKernel } from "./debian_kernel.ts";
import { elfEntry } from "./elf_entry.ts";
import { type Figure, output, rounded } from "./figure.ts";

const QEMU = "qemu-system-x86_64";
const BUSYBOX = "/bin/busybox";

type Model = "mmio" | "acpi_pci";

export async function benchBoot(): Promise<Figure[]> {
  const folder = await Deno.makeTempDir({ prefix: "volant-bench-" });
  try {
    const { stdout } = await output(QEMU, ["--version"]);
    const qemu = stdout.split("\n")[0] ?? "";
    const debian = await countDebian(folder);
    const baseline = rounded(debian.count / 1e6, 5);
    const figures: Figure[] = [];
    for (const [name, { what, spec }] of Object.entries(await guests(folder))) {
      for (const model of ["mmio", "acpi_pci"] as const) {
        const count = await countBoot(modelCommand(model, spec));
        const value = rounded(count / 1e6, 4);
        figures.push({
          key: `boot.${name}${
            model === "mmio" ? "" : "_acpi_pci"
          }.minstructions`,
          value,
          unit: "million instructions",
          baseline,
          ratio: rounded(value / baseline),
          how:
            `${what}, ${MEMORY_MIB} MiB, 1 vCPU, NIC, boot config disk, control port and output attached, microvm ${
              model === "mmio" ? "acpi=off" : "acpi=on with PCI"
            }, -cpu max,-erms, -icount shift=0; ${qemu}`,
        });
      }
    }
    figures.push({
      key: "boot.debian_cloud.minstructions",
      value: baseline,
      unit: "million instructions",
      how:
        `${debian.version} with busybox as init, no device but the console, the same way`,
    });
    return figures;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Guest {
  readonly what: string;
  readonly spec: BootSpec;
}

/** By the middle of their keys. */
async function guests(folder: string): Promise<Record<string, Guest>> {
  const rootfs = "busybox httpd on erofs, overlay, pivot";
  return {
    initramfs: {
      what: "examples/hello (busybox httpd)",
      spec: await initramfsGuest(folder),
    },
    rootfs: {
      what: `${rootfs}, upper layer on a new state disk`,
      spec: await rootfsGuest(folder, "state-disk"),
    },
    rootfs_ephemeral: {
      what: `${rootfs}, upper layer on a tmpfs`,
      spec: await rootfsGuest(folder, "tmpfs"),
    },
  };
}

function modelCommand(model: Model, spec: BootSpec): string[] {
  const words = qemuCommand(
    {
      path: QEMU,
      accelerator: "tcg",
      model: MACHINE_MODELS.microvm,
      tscKhz: 1_000_000,
    },
    spec,
  ).map((word) =>
    word
      .replace(/^socket,id=(\w+),fd=\d+$/, "null,id=$1")
      .replace(
        `stream,id=net0,addr.type=fd,addr.str=${DESCRIPTORS.network}`,
        "user,id=net0,restrict=on",
      )
  );
  if (model === "mmio") return words;
  return words.map((word) =>
    word
      .replace("acpi=off", "acpi=on,pcie=on")
      .replace(/^virtio-net-device,/, "virtio-net-pci,romfile=,")
      .replace(/^(virtio-\w+)-device,/, "$1-pci,")
      .replace(/ acpi=off/g, "")
  );
}

/** Runs the guest until its workload starts. */
async function countBoot(command: readonly string[]): Promise<number> {
  const { entry, bytes } = await elfEntry(BUSYBOX);
  const [path = QEMU, ...args] = command;
  const { stderr } = await output(path, [
    // The plugin ends QEMU, which the sandbox has no part in.
    ...args,
    "-icount",
    "shift=0,sleep=off",
    "-plugin",
    `${built("icount.so")},addr=0x${entry.toString(16)},bytes=${bytes}`,
  ]);
  const [, count] = /^ICOUNT (\d+)$/m.exec(stderr) ?? [];
  if (count === undefined) {
    throw new Error(`The guest did not reach its workload: ${stderr}`);
  }
  return Number(count);
}

async function countDebian(
  folder: string,
): Promise<{ readonly count: number; readonly version: string }> {
  const { kernel, version } = await debianCloudKernel();
  await Deno.mkdir(`${folder}/root/bin`, { recursive: true });
  await Deno.copyFile(BUSYBOX, `${folder}/root/init`);
  await output("sh", [
    "-c",
    "find . | LC_ALL=C sort | cpio --quiet -o -H newc > ../debian.cpio",
  ], { cwd: `${folder}/root` });
  const count = await countBoot([
    QEMU,
    "-M",
    "microvm,x-option-roms=off,pit=on,pic=on,rtc=on,acpi=off,isa-serial=on",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
    "-cpu",
    "max,-erms",
    "-m",
    "512",
    "-kernel",
    kernel,
    "-initrd",
    `${folder}/debian.cpio`,
    "-append",
    "console=ttyS0 quiet reboot=t panic=-1 tsc_early_khz=1000000 tsc=reliable",
    "-serial",
    "null",
  ]);
  return { count, version };
}
