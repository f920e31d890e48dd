/**
 * How much memory the host can still give to guests.
 *
 * @module
 */

/** MemAvailable: what can be used without swapping. */
export async function availableMemoryMib(): Promise<number> {
  return memAvailableMib(await Deno.readTextFile("/proc/meminfo"));
}

/** Reads the text of /proc/meminfo; 0 when it does not say. */
export function memAvailableMib(meminfo: string): number {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return Math.floor(Number(kib ?? 0) / 1024);
}
