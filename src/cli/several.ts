/**
 * Does one thing to several VMs or plugins in turn.
 *
 * One that fails does not keep the others from their turn; the program ends
 * with the status of the first failure.
 *
 * @module
 */

import type { VmView } from "../api/vms.ts";
import { Fault, FAULTS } from "../lib/fault.ts";
import type { Context } from "./context.ts";

export interface SeveralOptions<View> {
  readonly names: readonly string[];
  readonly json: boolean | undefined;
  /** What has become of one, as `web is running`. */
  readonly say: (name: string, one: View | undefined) => string;
}

export function forEachVm(
  context: Context,
  options: SeveralOptions<VmView>,
  act: (name: string) => Promise<VmView | void>,
): Promise<void> {
  return forEachOf(context, options, act);
}

export async function forEachOf<View>(
  { out, exitWith }: Context,
  { names, json, say }: SeveralOptions<View>,
  act: (name: string) => Promise<View | void>,
): Promise<void> {
  const done: View[] = [];
  let status = 0;
  for (const name of names) {
    try {
      const one = await act(name) ?? undefined;
      if (one !== undefined) done.push(one);
      if (!json) out.line(say(name, one));
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      out.fault(thrown, json === true);
      status ||= FAULTS[thrown.code].exit;
    }
  }
  if (json) out.json(done);
  exitWith(status);
}
