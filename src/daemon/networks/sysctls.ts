/**
 * The switches of the kernel that a bridge with guests needs.
 *
 * They are those of the daemon's network namespace, wherever /proc was mounted.
 *
 * @module
 */

import { unavailable } from "./programs.ts";

/** Throws `network-unavailable` for one that cannot be switched. */
export async function setBridgeSysctls(bridge: string): Promise<void> {
  await set("net/ipv4/ip_forward", "1");
  // A port published on 127.0.0.1 is one of the guest's, behind the bridge.
  await set(`net/ipv4/conf/${bridge}/route_localnet`, "1");
  // Kernels without IPv6 have no such switch.
  await set(`net/ipv6/conf/${bridge}/disable_ipv6`, "1", "if there");
}

async function set(
  name: string,
  value: string,
  when: "always" | "if there" = "always",
): Promise<void> {
  const path = `/proc/sys/${name}`;
  try {
    if ((await Deno.readTextFile(path)).trim() === value) return;
    await Deno.writeTextFile(path, value, { create: false });
  } catch (cause) {
    if (when === "if there" && cause instanceof Deno.errors.NotFound) return;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw unavailable(
      `cannot set ${name.replaceAll("/", ".")} to ${value}: ${why}`,
      `Run \`sysctl -w ${name.replaceAll("/", ".")}=${value}\` on the host`,
      cause,
    );
  }
}
