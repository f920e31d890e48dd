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

interface Wish {
  /** May hold addresses of other subnets. */
  readonly taken: Iterable<string>;
  readonly wanted?: string | undefined;
}

/**
 * The addresses of a subnet, with those that are chosen but are not written down
 * anywhere yet.
 */
export class AddressPool {
  readonly #subnet: Subnet;
  readonly #reserved = new Set<string>();

  constructor(subnet: Subnet) {
    this.#subnet = subnet;
  }

  /**
   * Nobody else is given the address until it is let go of: by then it is among
   * those that are taken, or is free. Never pauses, so that two who ask at once
   * do not see the same. Throws as `chooseAddress`.
   */
  reserve(vmName: string, { taken, wanted }: Wish): string {
    const ip = chooseAddress(this.#subnet, vmName, {
      taken: new Set([...taken, ...this.#reserved]),
      wanted,
    });
    this.#reserved.add(ip);
    return ip;
  }

  letGo(ip: string): void {
    this.#reserved.delete(ip);
  }
}

/**
 * Throws `address-in-use`, `no-free-address`, and `invalid-input` for an address
 * that no VM can have. Pure; exported for its test.
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
