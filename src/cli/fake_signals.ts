/**
 * Signals for tests: the tests of several files run in one process, and a real
 * signal would reach all of them.
 *
 * @module
 */

const listeners = new Map<Deno.Signal, Set<() => void>>();

Deno.addSignalListener = (name, listener) => {
  const all = listeners.get(name) ?? new Set();
  listeners.set(name, all.add(listener));
};

Deno.removeSignalListener = (name, listener) => {
  listeners.get(name)?.delete(listener);
};

/** Has this file's listeners hear a signal, after what is being done now. */
export function raise(name: Deno.Signal): void {
  for (const listener of [...listeners.get(name) ?? []]) {
    queueMicrotask(listener);
  }
}
