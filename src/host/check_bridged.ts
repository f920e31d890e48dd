/**
 * Checks of what bridged networking takes: the right, the programs, the kernel,
 * and room on the host.
 *
 * Who has not the right to change the host's network uses the user network, and
 * misses none of the rest: it is `unused` then.
 *
 * @module
 */

import { findProgram } from "../lib/exec.ts";
import { checkBridgeKernel } from "./check_bridge_kernel.ts";
import { checkBridgeRoom } from "./check_bridge_room.ts";
import { mayChangeNetwork } from "./capabilities.ts";
import { type HostCheck, outcome } from "./check.ts";

/** What the checks of bridged networking have in common. */
export interface BridgedHost {
  readonly subnet: string;
  /** Name of the bridge. */
  readonly bridge: string;
  readonly stateDir: string;
  readonly mayChange: boolean;
  /** What it is when something is not there. */
  readonly otherwise: "warn" | "unused";
  /** Paths of the programs that are there. */
  readonly ip: string | undefined;
  readonly nft: string | undefined;
}

export async function checkBridged(
  options: Pick<BridgedHost, "subnet" | "bridge" | "stateDir">,
): Promise<HostCheck[]> {
  const mayChange = await mayChangeNetwork();
  const host: BridgedHost = {
    ...options,
    mayChange,
    otherwise: mayChange ? "warn" : "unused",
    ip: await findProgram("ip"),
    nft: await findProgram("nft"),
  };
  const [kernel, room] = await Promise.all([
    checkBridgeKernel(host),
    checkBridgeRoom(host),
  ]);
  return [
    checkRight(mayChange, Deno.uid() === 0),
    checkNetworkProgram("ip", "iproute2", host),
    checkNetworkProgram("nft", "nftables", host),
    ...kernel,
    ...room,
  ];
}

/** Pure; exported for its test. */
export function checkRight(mayChange: boolean, isRoot: boolean): HostCheck {
  const who = isRoot ? "root" : "this user";
  return outcome(mayChange, "warn", {
    name: "bridge right",
    found: mayChange
      ? `${who} may change the host's network`
      : `${who} has no right to change the host's network (CAP_NET_ADMIN)`,
    needed_for: "bridged networks: guests use the user network without it",
    remedy: isRoot
      ? "give the daemon CAP_NET_ADMIN; a container takes --cap-add NET_ADMIN"
      : "sudo volant daemon",
  });
}

function checkNetworkProgram(
  name: "ip" | "nft",
  packageName: string,
  host: BridgedHost,
): HostCheck {
  const path = host[name];
  return outcome(path !== undefined, host.otherwise, {
    name,
    found: path ?? `the program "${name}" is not installed`,
    needed_for: "bridged networks: without it only --network user or none",
    remedy: `apt-get install ${packageName}`,
  });
}
