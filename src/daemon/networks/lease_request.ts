/**
 * What only a bridged network can give is refused by the others.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import type { LeaseRequest, NetworkLease } from "./network.ts";

/** Throws `not-supported`. */
export function refuseAddress(
  { vmName, ip, isolated }: LeaseRequest,
  mode: NetworkLease["mode"],
): void {
  if (ip === undefined && isolated !== false) return;
  const what = ip === undefined ? "open to other guests" : `with address ${ip}`;
  throw new Fault(
    "not-supported",
    `Cannot create VM "${vmName}" ${what}: its network mode is "${mode}"`,
    { hint: "Use --network bridged, or leave that out" },
  );
}
