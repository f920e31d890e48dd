/**
 * Waiting with an end.
 *
 * @module
 */

/** Pauses; ends at once, with the signal's reason, when `signal` aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Asks again and again until `condition` gives a value, with pauses that grow
 * from 1 ms to 100 ms; undefined when `ms` went by.
 */
export async function until<T>(
  condition: () => Promise<T | undefined> | T | undefined,
  ms: number,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const end = performance.now() + ms;
  for (let wait = 1;; wait = Math.min(wait * 2, 100)) {
    const value = await condition();
    if (value !== undefined) return value;
    const left = end - performance.now();
    if (left <= 0) return undefined;
    await pause(Math.min(wait, left), signal);
  }
}

/** What `promise` gives, or undefined when `ms` went by first. */
export async function within<T>(
  promise: Promise<T>,
  ms: number,
): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
