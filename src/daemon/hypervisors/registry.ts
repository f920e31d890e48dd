/**
 * The hypervisors, by name.
 *
 * @module
 */

import type { Hypervisor } from "./hypervisor.ts";
import { qemuHypervisor, type QemuOptions } from "./qemu/driver.ts";

export const HYPERVISOR_NAMES = ["qemu"] as const;

export type HypervisorName = typeof HYPERVISOR_NAMES[number];

export function hypervisor(
  name: HypervisorName,
  options: QemuOptions,
): Hypervisor {
  const makers: Record<HypervisorName, () => Hypervisor> = {
    qemu: () => qemuHypervisor(options),
  };
  return makers[name]();
}
