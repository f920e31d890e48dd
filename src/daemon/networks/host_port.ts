/**
 * Whether a host port that is to be published is free.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import type { PublishedPort } from "../../api/vms.ts";

/**
 * Throws `port-in-use` for a TCP port that a program listens on; of UDP nothing
 * is known before it is tried.
 */
export function checkHostPort(
  { host_ip, host_port, protocol }: Required<PublishedPort>,
): void {
  if (protocol === "udp") return;
  try {
    Deno.listen({ hostname: host_ip, port: host_port }).close();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(
      "port-in-use",
      `Cannot publish on ${host_ip}:${host_port}: ${text}`,
      { cause, hint: "Publish on another host port, or free this one" },
    );
  }
}
