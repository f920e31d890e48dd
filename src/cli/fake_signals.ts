/**
 * Signals for tests: the tests of several files run in one process, and a real
 * signal would reach all of them.
 *
 * @module
 */

export interface FakeSignals extends Disposable {
  /** Has the listeners hear a signal, after what is being done now. */
  raise(name: Deno.Signal): void;
}

/** Takes the place of the process's signals until it is disposed of. */
export function fakeSignals(): FakeSignals {
  const listeners = new Map<Deno.Signal, Set<() => void>>();
  const { addSignalListener, removeSignalListener } = Deno;
  Deno.addSignalListener = (name, listener) => {
    const all = listeners.get(name) ?? new Set();
    listeners.set(name, all.add(listener));
  };
  Deno.removeSignalListener = (name, listener) => {
    listeners.get(name)?.delete(listener);
  };
  return {
    raise(name) {
      for (const listener of [...listeners.get(name) ?? []]) {
        queueMicrotask(listener);
      }
    },
    [Symbol.dispose]() {
      Object.assign(Deno, { addSignalListener, removeSignalListener });
    },
  };
}
