/**
 * The subnet of a bridge: which ones will do, and what is where in one.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import {
  type Cidr,
  cidrSize,
  contains,
  firstOf,
  formatCidr,
  lastOf,
  parseCidr,
} from "../../lib/ipv4.ts";

/** Its `address` is its first one. */
export type Subnet = Cidr;

const PREFIX_MIN = 8;
const PREFIX_MAX = 30;

/**
 * Ranges that name nobody on the Internet: private ones (RFC 1918), shared by
 * carriers (RFC 6598), for benchmarks (RFC 2544), for documentation (RFC 5737).
 */
const USABLE = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "198.18.0.0/15",
  "192.0.2.0/24",
  "198.51.100.0/24",
  "203.0.113.0/24",
].flatMap((text) => parseCidr(text) ?? []);

/** Throws `invalid-input`, in words that name the option. */
export function parseSubnet(text: string): Subnet {
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    throw bad(text, "it is no IPv4 subnet", "Write one such as 10.87.0.0/24");
  }
  if (cidr.prefix < PREFIX_MIN || cidr.prefix > PREFIX_MAX) {
    throw bad(
      text,
      `its prefix is not from /${PREFIX_MIN} to /${PREFIX_MAX}`,
      "A /24 has room for 253 VMs, a /16 for 65533",
    );
  }
  const first = firstOf(cidr);
  if (first !== cidr.address) {
    throw bad(
      text,
      "that is an address in a subnet, and not the subnet",
      `Write ${formatCidr({ address: first, prefix: cidr.prefix })}`,
    );
  }
  const isUsable = USABLE.some((range) =>
    contains(range, first) && contains(range, lastOf(cidr))
  );
  if (!isUsable) {
    throw bad(
      text,
      "it is not within a private range: guests could not reach the hosts that have these addresses",
      "Take one from 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
    );
  }
  return cidr;
}

/** The host's own address in it: the first. */
export function gatewayOf(subnet: Subnet): number {
  return subnet.address + 1;
}

/** How many VMs find room: all but network, gateway and broadcast address. */
export function roomIn(subnet: Subnet): number {
  return cidrSize(subnet) - 3;
}

/** Throws `invalid-input`. */
export function parseBridgeName(name: string): string {
  // A TAP's name has the VM's id behind it, and 15 characters are the limit.
  if (/^[a-z][a-z0-9]{0,5}$/.test(name) && name !== "lo") return name;
  throw new Fault("invalid-input", `Cannot use --bridge "${name}"`, {
    hint: "Write a letter and at most 5 more of a-z and 0-9, such as vbr1",
  });
}

function bad(text: string, what: string, hint: string): Fault {
  return new Fault("invalid-input", `Cannot use --subnet "${text}": ${what}`, {
    hint,
  });
}
