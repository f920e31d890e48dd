/**
 * A neighbour of a namespace: another one, joined to it by a cable, that plays
 * the rest of the world (RFC 5737).
 */

import type { Netns } from "./netns.ts";

/** Of the host, on the side of the neighbour. */
export const HOST_OUTSIDE = "198.51.100.1";
export const OUTSIDE = "198.51.100.2";

export async function plugOutside(
  netns: Netns,
  outside: Netns,
): Promise<void> {
  await netns.run(
    ...["ip", "link", "add", "up0", "type", "veth", "peer", "name", "down0"],
    ...["netns", String(outside.pid)],
  );
  await netns.run("ip", "addr", "add", `${HOST_OUTSIDE}/24`, "dev", "up0");
  await netns.run("ip", "link", "set", "up0", "up");
  await outside.run("ip", "addr", "add", `${OUTSIDE}/24`, "dev", "down0");
  await outside.run("ip", "link", "set", "down0", "up");
}
