/**
 * Finds QEMU on the host. `VOLANT_QEMU` names another than that of `PATH`.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import { findTool, isAtLeast, type Tool } from "./tool.ts";

/** The first with `-netdev stream`, which passt is spoken to through. */
const OLDEST_VERSION = "7.2";

export const QEMU_INSTALL = Deno.build.arch === "aarch64"
  ? "apt-get install qemu-system-arm"
  : "apt-get install qemu-system-x86";

export async function findQemu(): Promise<Tool> {
  const tool = await findTool({
    name: `qemu-system-${Deno.build.arch}`,
    variable: "VOLANT_QEMU",
    version: /version (\d+(?:\.\d+)*)/,
    install: QEMU_INSTALL,
  });
  if (isAtLeast(tool.version, OLDEST_VERSION)) return tool;
  throw new Fault(
    "hypervisor-unavailable",
    `Cannot use QEMU "${tool.path}": it is version ${tool.version}, older than ${OLDEST_VERSION}`,
    {
      hint:
        "Install a newer QEMU, such as Debian 12's, and name it in VOLANT_QEMU",
    },
  );
}
