/**
 * Which address a VM gets: the lowest that is free, or the one it asks for.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import {
  contains,
  formatCidr,
  formatIpv4,
  lastOf,
  parseIpv4,
} from "../../lib/ipv4.ts";
import { gatewayOf, roomIn, type Subnet } from "./subnet.ts";

/**
 * Throws `address-in-use`, `no-free-address`, and `invalid-input` for an address
 * that no VM can have. `taken` may hold addresses of other subnets.
 */
export function chooseAddress(
  subnet: Subnet,
  vmName: string,
  { taken, wanted }: {
    readonly taken: ReadonlySet<string>;
    readonly wanted?: string | undefined;
  },
): string {
  if (wanted !== undefined) {
    return checkedAddress(subnet, vmName, taken, wanted);
  }
  for (let next = gatewayOf(subnet) + 1; next < lastOf(subnet); next++) {
    const address = formatIpv4(next);
    if (!taken.has(address)) return address;
  }
  throw new Fault(
    "no-free-address",
    `Cannot create VM "${vmName}": all ${roomIn(subnet)} addresses of ${
      formatCidr(subnet)
    } are held by VMs, running or not`,
    { hint: "Delete VMs, or start the daemon with a larger --subnet" },
  );
}

function checkedAddress(
  subnet: Subnet,
  vmName: string,
  taken: ReadonlySet<string>,
  wanted: string,
): string {
  const refuse = (what: string) =>
    new Fault(
      "invalid-input",
      `Cannot create VM "${vmName}" with address ${wanted}: ${what}`,
      {
        hint: `Ask for one from ${formatIpv4(gatewayOf(subnet) + 1)} to ${
          formatIpv4(lastOf(subnet) - 1)
        }, or for none`,
      },
    );
  const address = parseIpv4(wanted);
  if (address === undefined) throw refuse("it is no IPv4 address");
  if (!contains(subnet, address)) {
    throw refuse(`it is not in the subnet ${formatCidr(subnet)}`);
  }
  if (address === gatewayOf(subnet)) throw refuse("it is the host's own");
  if (address === subnet.address || address === lastOf(subnet)) {
    throw refuse("it means the whole subnet");
  }
  if (taken.has(wanted)) {
    throw new Fault(
      "address-in-use",
      `Cannot create VM "${vmName}" with address ${wanted}: another VM holds it`,
      { hint: "Ask for another, or delete the VM that holds it" },
    );
  }
  return wanted;
}
