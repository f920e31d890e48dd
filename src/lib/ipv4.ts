/**
 * IPv4 addresses as numbers, and ranges of them.
 *
 * @module
 */

/** A range of addresses; `address` may be any of them. */
export interface Cidr {
  readonly address: number;
  readonly prefix: number;
}

/** Undefined for anything but four decimal numbers. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) {
      return undefined;
    }
    address = address * 256 + Number(part);
  }
  return address;
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

/** Undefined for anything but `A.B.C.D/PREFIX`. */
export function parseCidr(text: string): Cidr | undefined {
  const [, ip = "", length = ""] = /^([\d.]+)\/(0|[1-9]\d?)$/.exec(text) ?? [];
  const address = parseIpv4(ip);
  const prefix = Number(length);
  if (address === undefined || prefix > 32) return undefined;
  return { address, prefix };
}

export function formatCidr({ address, prefix }: Cidr): string {
  return `${formatIpv4(address)}/${prefix}`;
}

/** How many addresses there are in it. */
export function cidrSize({ prefix }: Pick<Cidr, "prefix">): number {
  return 2 ** (32 - prefix);
}

/** The first address of the range. */
export function firstOf(cidr: Cidr): number {
  return cidr.address - cidr.address % cidrSize(cidr);
}

export function lastOf(cidr: Cidr): number {
  return firstOf(cidr) + cidrSize(cidr) - 1;
}

export function contains(cidr: Cidr, address: number): boolean {
  return firstOf(cidr) <= address && address <= lastOf(cidr);
}

export function overlaps(one: Cidr, other: Cidr): boolean {
  return firstOf(one) <= lastOf(other) && firstOf(other) <= lastOf(one);
}
