/**
 * Lets a signal end a command tidily.
 *
 * Most commands end with the first one (`stopOnSignals`); one that has to ask
 * somebody else to end first hears each of them (`onSignals`).
 *
 * @module
 */

import { Interrupted } from "./context.ts";

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Aborts at the first signal, with the `Interrupted` that ends the program; a
 * second one ends the program at once.
 */
export function stopOnSignals(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const heard = onSignals((status) => {
    controller.abort(new Interrupted(status));
    heard[Symbol.dispose]();
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => heard[Symbol.dispose](),
  };
}

/** Calls `hear` at each signal, with the status that an end by it would give. */
export function onSignals(hear: (status: number) => void): Disposable {
  const listeners = Object.entries(SIGNAL_NUMBERS).map(([name, number]) =>
    [name as Deno.Signal, () => hear(128 + number)] as const
  );
  for (const [name, listener] of listeners) {
    Deno.addSignalListener(name, listener);
  }
  return {
    [Symbol.dispose]() {
      for (const [name, listener] of listeners) {
        Deno.removeSignalListener(name, listener);
      }
    },
  };
}
