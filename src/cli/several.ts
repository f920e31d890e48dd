/**
 * Does one thing to several VMs in turn.
 *
 * One that fails does not keep the others from their turn; the program ends
 * with the status of the first failure.
 *
 * @module
 */

import type { VmView } from "../api/vms.ts";
import { Fault, FAULTS } from "../lib/fault.ts";
import type { Context } from "./context.ts";

export interface SeveralOptions {
  readonly names: readonly string[];
  readonly json: boolean | undefined;
  /** What has become of one, as `web is running`. */
  readonly say: (name: string, vm: VmView | undefined) => string;
}

export async function forEachVm(
  { out, exitWith }: Context,
  { names, json, say }: SeveralOptions,
  act: (name: string) => Promise<VmView | void>,
): Promise<void> {
  const done: VmView[] = [];
  let status = 0;
  for (const name of names) {
    try {
      const vm = await act(name);
      if (vm !== undefined) done.push(vm);
      if (!json) out.line(say(name, vm ?? undefined));
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      out.fault(thrown, json === true);
      status ||= FAULTS[thrown.code].exit;
    }
  }
  if (json) out.json(done);
  exitWith(status);
}
