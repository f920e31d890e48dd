/**
 * What a manifest may ask for in this version. A key that is known but would be
 * without effect is refused: a database that believes it writes to its disk
 * must not run without one.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import type { Manifest } from "../../manifest/manifest.ts";

export function checkSupported(vmName: string, manifest: Manifest): void {
  if (!manifest.enabled) {
    throw new Fault(
      "wrong-state",
      `Cannot create VM "${vmName}": manifest "${manifest.name}" is disabled`,
      { hint: "Set enabled to true in the manifest" },
    );
  }
  const { disks, devices, cloud_init, agent } = manifest;
  const asked = [
    disks.length > 0 && "disks",
    devices !== undefined && devices.pci_passthrough.length > 0 &&
    "devices.pci_passthrough",
    cloud_init !== undefined && "cloud_init",
    agent === "on" && "agent",
  ].find((key) => key !== false);
  if (asked === undefined) return;
  throw new Fault(
    "not-supported",
    `Cannot create VM "${vmName}": ${asked} of manifest "${manifest.name}" is not in this version`,
    { hint: `Take ${asked} out of the manifest` },
  );
}
