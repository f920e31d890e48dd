/**
 * Whether the daemon had to make its database anew, and keeps a damaged one.
 *
 * @module
 */

import { type HostCheck, outcome } from "./check.ts";

const DAMAGED_REGEXP = /^volant\.db\.damaged-[^-]*-[^-]*-[^-]*$/;

/** No check where nothing was ever damaged. */
export async function checkDatabase(stateDir: string): Promise<HostCheck[]> {
  const damaged: string[] = [];
  try {
    for await (const { name } of Deno.readDir(stateDir)) {
      if (DAMAGED_REGEXP.test(name)) damaged.push(name);
    }
  } catch {
    // Not there yet, or another user's: there is nothing to tell of it.
    return [];
  }
  if (damaged.length === 0) return [];
  const last = damaged.sort().at(-1) ?? "";
  return [outcome(false, "warn", {
    name: "database",
    found:
      `damaged ${damaged.length} times, last ${last}; all that was saved is in use`,
    needed_for: "a disk that damages files should be replaced",
    remedy:
      `look at dmesg, and at the daemon's log for what was lost; then rm ${stateDir}/volant.db.damaged-*`,
  })];
}
