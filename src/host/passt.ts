/**
 * Finds passt on the host, the user network's way out. `VOLANT_PASST` names
 * another than that of `PATH`.
 *
 * @module
 */

import { findTool, type Tool } from "./tool.ts";

export const PASST_INSTALL = "apt-get install passt";

/** Debian's passt 0.0~git says "unknown version": no version is refused. */
export function findPasst(): Promise<Tool> {
  return findTool({
    name: "passt",
    variable: "VOLANT_PASST",
    version: /^passt (\d\S*)/,
    install: PASST_INSTALL,
  });
}
