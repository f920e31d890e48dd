/**
 * The command of the simulated VMM for a boot, as a pure function; the program
 * is shim/simulated.c.
 *
 * @module
 */

import type { BootSpec } from "../hypervisor.ts";

/** Descriptors of the VMM; the monitor puts them there. */
export const DESCRIPTORS = {
  console: 10,
  control: 11,
  output: 12,
  network: 13,
  /** In the companion. */
  companion: 5,
} as const;

export function simulatedCommand(path: string, spec: BootSpec): string[] {
  const { console, control, output, network } = DESCRIPTORS;
  return [
    path,
    `name=${spec.name}`,
    `console=${console}`,
    `output=${output}`,
    ...(spec.hasShim ? [`control=${control}`] : []),
    `kernel=${spec.kernelPath}`,
    ...(spec.initramfsPath === undefined
      ? []
      : [`initramfs=${spec.initramfsPath}`]),
    ...spec.disks.map(({ path, readOnly }) =>
      `disk=${readOnly ? "ro" : "rw"}:${path}`
    ),
    ...(spec.nic === undefined ? [] : [`nic=${network}`]),
    `cmdline=${simulatedCommandLine(spec)}`,
  ];
}

/** It says of itself what it is: whoever reads it shall not be misled. */
export function simulatedCommandLine({ kernelArgs }: BootSpec): string {
  return ["simulated", ...kernelArgs].join(" ");
}
