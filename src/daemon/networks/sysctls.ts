/**
 * The switches of the kernel that a bridge with guests needs.
 *
 * They are those of the daemon's network namespace, wherever /proc was mounted.
 *
 * @module
 */

import type { Fault } from "../../lib/fault.ts";
import { unavailable } from "./programs.ts";

/** Throws `network-unavailable` for one that cannot be switched; as do all here. */
export async function setBridgeSysctls(bridge: string): Promise<void> {
  await set("net/ipv4/ip_forward", "1");
  // Kernels without IPv6 have no such switch.
  await set(`net/ipv6/conf/${bridge}/disable_ipv6`, "1", "if there");
}

/** The host speaks no IPv6 on a guest's device, and listens to none. */
export async function setTapSysctls(tap: string): Promise<void> {
  await set(`net/ipv6/conf/${tap}/disable_ipv6`, "1", "if there");
}

/**
 * Whether packets with an address of 127.0.0.0/8 may pass the bridge, as those to
 * a port published there do; nothing if there is no such bridge. Never pauses,
 * so that who asks last is who is heard.
 */
export function setRouteLocalnet(bridge: string, isOn: boolean): void {
  const name = `net/ipv4/conf/${bridge}/route_localnet`;
  const value = isOn ? "1" : "0";
  try {
    if (Deno.readTextFileSync(`/proc/sys/${name}`).trim() === value) return;
    Deno.writeTextFileSync(`/proc/sys/${name}`, value, { create: false });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw cannotSet(name, value, cause);
  }
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
    throw cannotSet(name, value, cause);
  }
}

function cannotSet(name: string, value: string, cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message : String(cause);
  return unavailable(
    `cannot set ${name.replaceAll("/", ".")} to ${value}: ${why}`,
    `Run \`sysctl -w ${name}=${value}\` on the host`,
    cause,
  );
}
