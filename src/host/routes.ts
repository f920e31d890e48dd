/**
 * Which ranges of IPv4 addresses this host already uses, and by what.
 *
 * A bridge with a subnet that lies somewhere else already would cut the host off
 * from what is there.
 *
 * @module
 */

import { type Cidr, formatCidr, overlaps, parseCidr } from "../lib/ipv4.ts";

export interface UsedRange {
  readonly cidr: Cidr;
  /** The interface. */
  readonly device: string;
  readonly kind: "address" | "route";
}

/** Shorter prefixes mean "everywhere": a default route, or the halves of one. */
const PREFIX_MIN = 8;

/** Arguments of `ip` for what `usedRanges` reads. */
export const ADDRESSES = ["-j", "-4", "address", "show"] as const;
export const ROUTES = ["-j", "-4", "route", "show", "table", "all"] as const;

interface AddressJson {
  readonly ifname?: string;
  readonly addr_info?: readonly {
    readonly local?: string;
    readonly prefixlen?: number;
  }[];
}

interface RouteJson {
  readonly dst?: string;
  readonly dev?: string;
  readonly type?: string;
}

/** Pure; reads what `ip` printed for `ADDRESSES` and `ROUTES`. */
export function usedRanges(addresses: string, routes: string): UsedRange[] {
  return [
    ...parseJson<AddressJson>(addresses).flatMap(({ ifname, addr_info }) =>
      (addr_info ?? []).flatMap(({ local, prefixlen }) =>
        usedRange("address", ifname, `${local}/${prefixlen}`)
      )
    ),
    ...parseJson<RouteJson>(routes).flatMap(({ dst = "", dev, type }) =>
      type === undefined || type === "unicast"
        ? usedRange("route", dev, dst.includes("/") ? dst : `${dst}/32`)
        : []
    ),
  ];
}

/** The first that gets in the way of `subnet`, but for those of `bridge`. */
export function inTheWayOf(
  subnet: Cidr,
  used: readonly UsedRange[],
  bridge: string,
): UsedRange | undefined {
  return used.find(({ cidr, device }) =>
    device !== bridge && overlaps(cidr, subnet)
  );
}

/** Such as `route 10.0.0.0/8 of eth0`. */
export function describeRange({ cidr, device, kind }: UsedRange): string {
  return `${kind} ${formatCidr(cidr)} of ${device}`;
}

function usedRange(
  kind: UsedRange["kind"],
  device: string | undefined,
  text: string,
): UsedRange[] {
  const cidr = parseCidr(text);
  if (cidr === undefined || cidr.prefix < PREFIX_MIN || device === undefined) {
    return [];
  }
  return [{ cidr, device, kind }];
}

function parseJson<T>(text: string): readonly T[] {
  return text.trim() === "" ? [] : JSON.parse(text);
}
