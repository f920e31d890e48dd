/**
 * Which name servers guests on a bridge are told of: the host's.
 *
 * @module
 */

import { readTextIfThere } from "../../lib/files.ts";
import { parseIpv4 } from "../../lib/ipv4.ts";

/** A resolver asks no more of them (resolv.conf(5)). */
const SERVERS_MAX = 3;

/**
 * The second is where systemd-resolved writes down the servers it asks itself,
 * when the first only names its own address on loopback.
 */
const FILES = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/** Those of the first file that names any a guest can reach. */
export async function hostNameServers(): Promise<readonly string[]> {
  for (const path of FILES) {
    const servers = nameServers(await readTextIfThere(path) ?? "");
    if (servers.length > 0) return servers;
  }
  return [];
}

/** The servers in the text of a resolv.conf that a guest can reach by IPv4. */
export function nameServers(text: string): readonly string[] {
  const found = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)]
    .flatMap(([, server = ""]) => isReachable(server) ? [server] : []);
  return [...new Set(found)].slice(0, SERVERS_MAX);
}

function isReachable(server: string): boolean {
  const address = parseIpv4(server);
  return address !== undefined && address !== 0 && address >>> 24 !== 127;
}
