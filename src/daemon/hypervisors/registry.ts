/**
 * The hypervisors, by name.
 *
 * @module
 */

import type { Hypervisor } from "./hypervisor.ts";
import { qemuHypervisor, type QemuOptions } from "./qemu/driver.ts";
import {
  simulatedHypervisor,
  type SimulatedOptions,
} from "./simulated/driver.ts";

/** The last is no hypervisor: it is there for tests of all the rest. */
export const HYPERVISOR_NAMES = ["qemu", "simulated"] as const;

export type HypervisorName = typeof HYPERVISOR_NAMES[number];

export function hypervisor(
  name: HypervisorName,
  options: QemuOptions & SimulatedOptions,
): Hypervisor {
  const makers: Record<HypervisorName, () => Hypervisor> = {
    qemu: () => qemuHypervisor(options),
    simulated: () => simulatedHypervisor(options),
  };
  return makers[name]();
}
