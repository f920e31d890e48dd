/**
 * Lets a signal end a command tidily.
 *
 * The first one aborts what the command does, with the `Interrupted` that ends
 * the program; a second one ends the program at once.
 *
 * @module
 */

import { Interrupted } from "./context.ts";

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

export function stopOnSignals(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const listeners = Object.entries(SIGNAL_NUMBERS).map(([name, number]) =>
    [name as Deno.Signal, () => {
      controller.abort(new Interrupted(128 + number));
      remove();
    }] as const
  );
  const remove = () => {
    for (const [name, listener] of listeners) {
      Deno.removeSignalListener(name, listener);
    }
  };
  for (const [name, listener] of listeners) {
    Deno.addSignalListener(name, listener);
  }
  return { signal: controller.signal, [Symbol.dispose]: remove };
}
