/**
 * What is said while a start is waited for, and when the wait ends early.
 *
 * The daemon goes on with a start nobody waits for any more: whoever leaves, by
 * a signal or because the time is up, is told so and where to look.
 *
 * @module
 */

import type { WaitFor } from "../api/vms.ts";
import { Fault } from "../lib/fault.ts";
import { type Context, Interrupted } from "./context.ts";
import { stopOnSignals } from "./signals.ts";

/** From when on a person at a terminal is told what is waited for. */
const QUIET_MS = 2_000;

export async function whileWaiting<T>(
  { out }: Pick<Context, "out">,
  { name, wait }: { readonly name: string; readonly wait: WaitFor },
  start: (signal?: AbortSignal) => Promise<T>,
): Promise<T> {
  if (wait === "none") return await start();
  const goesOn = `${name} goes on starting; look with: volant vm get ${name}`;
  using stop = stopOnSignals();
  const timer = setTimeout(() => {
    if (out.stderr.isTerminal) {
      out.note(`waiting until ${name} is ${wait} ...`);
    }
  }, QUIET_MS);
  try {
    return await start(stop.signal);
  } catch (thrown) {
    if (thrown instanceof Interrupted) out.note(goesOn);
    if (thrown instanceof Fault && thrown.code === "timed-out") {
      const { code, message, details, hint } = thrown;
      throw new Fault(code, message, {
        cause: thrown,
        details,
        hint: hint ? `${name} goes on starting. ${hint}` : goesOn,
      });
    }
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
}
