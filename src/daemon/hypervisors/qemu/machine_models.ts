/**
 * The machine models, by name.
 *
 * @module
 */

import type { MachineModel } from "./machine_model.ts";
import { MICROVM } from "./microvm.ts";
import { Q35 } from "./q35.ts";

export const QEMU_MACHINES = ["microvm", "q35"] as const;

export type QemuMachine = typeof QEMU_MACHINES[number];

export const MACHINE_MODELS: Readonly<Record<QemuMachine, MachineModel>> = {
  microvm: MICROVM,
  q35: Q35,
};
