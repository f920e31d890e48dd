/**
 * What this process may do to the host's network.
 *
 * @module
 */

/** Bit of CAP_NET_ADMIN (capabilities(7)). */
const NET_ADMIN = 12n;

/** Whether it may make interfaces and rules in its network namespace. */
export async function mayChangeNetwork(): Promise<boolean> {
  return hasNetAdmin(await Deno.readTextFile("/proc/self/status"));
}

/** As `mayChangeNetwork`, for where nothing can be waited for. */
export function mayChangeNetworkSync(): boolean {
  return hasNetAdmin(Deno.readTextFileSync("/proc/self/status"));
}

/** Pure; the text is that of `/proc/PID/status`. */
export function hasNetAdmin(status: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (effective === undefined) return false;
  return (BigInt(`0x${effective}`) >> NET_ADMIN & 1n) === 1n;
}
