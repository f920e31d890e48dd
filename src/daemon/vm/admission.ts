/**
 * Refuses a VM that the host has not the memory for: at create, when it can
 * still be given less, and at each start, when others may have taken it.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import type { VmDeps } from "./deps.ts";

export async function admitMemory(
  { availableMemoryMib }: Pick<VmDeps, "availableMemoryMib">,
  name: string,
  memoryMib: number,
): Promise<void> {
  const available = await availableMemoryMib();
  if (memoryMib <= available) return;
  throw new Fault(
    "not-enough-memory",
    `Cannot give VM "${name}" ${memoryMib} MiB: the host has ${available} MiB to give`,
    {
      hint: "Give it less with --memory, or stop other VMs",
      details: { wanted_mib: memoryMib, available_mib: available },
    },
  );
}
