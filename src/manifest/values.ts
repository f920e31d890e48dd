/**
 * The small values that manifests, requests and records are made of, each
 * checked once where it enters and branded, so that a function that takes a
 * `VmName` cannot be handed any other string. No schema library: the CLI
 * imports this file on its quick path.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";

/** Type-level mark; it does not exist at run time. */
declare const brand: unique symbol;

type Branded<Value, Name extends string> = Value & { readonly [brand]: Name };

/** A DNS label that starts with a letter: `web-1`. */
export type VmName = Branded<string, "VmName">;

/** `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = Branded<string, "Digest">;

/** A TCP or UDP port, 1-65535. */
export type Port = Branded<number, "Port">;

/** Six lower-case hexadecimal pairs joined by colons. */
export type MacAddress = Branded<string, "MacAddress">;

export const VM_NAME_REGEXP = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
export const PLUGIN_NAME_REGEXP = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62})$/;
export const DIGEST_REGEXP = /^sha256:[0-9a-f]{64}$/;
export const MAC_ADDRESS_REGEXP = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

export const PORT_MAX = 65535;

export function isVmName(text: string): text is VmName {
  return VM_NAME_REGEXP.test(text);
}

/** The name of a VM; throws `invalid-input` for what is none. */
export function vmName(text: string): VmName {
  if (isVmName(text)) return text;
  throw new Fault(
    "invalid-input",
    `Cannot use VM name "${text}": it is not a DNS label`,
    {
      hint: "Use 1 to 63 of a-z, 0-9 and '-', starting with a letter and " +
        "not ending in '-', such as web-1",
    },
  );
}

export function isDigest(text: string): text is Digest {
  return DIGEST_REGEXP.test(text);
}

/** A digest written with or without `sha256:`, in any case; throws `invalid-input`. */
export function digest(text: string): Digest {
  const spelled = spellDigest(text);
  if (isDigest(spelled)) return spelled;
  throw new Fault(
    "invalid-input",
    `Cannot use checksum "${text}": it is not a SHA-256 digest`,
    { hint: "Write sha256: and 64 hexadecimal digits, as sha256sum prints" },
  );
}

/** The one spelling of a digest; what is none comes back changed only in case. */
export function spellDigest(text: string): string {
  const plain = text.trim().toLowerCase();
  return /^[0-9a-f]{64}$/.test(plain) ? `sha256:${plain}` : plain;
}

export function isPort(value: number): value is Port {
  return Number.isInteger(value) && value >= 1 && value <= PORT_MAX;
}

/** A port; throws `invalid-input` for what is none. */
export function port(value: number): Port {
  if (isPort(value)) return value;
  throw new Fault(
    "invalid-input",
    `Cannot use port "${value}": it is not a number from 1 to ${PORT_MAX}`,
  );
}

export function isMacAddress(text: string): text is MacAddress {
  return MAC_ADDRESS_REGEXP.test(text);
}

/** A MAC address in any case, of one station; throws `invalid-input`. */
export function macAddress(text: string): MacAddress {
  const lower = text.trim().toLowerCase();
  const isMulticast = (parseInt(lower.slice(0, 2), 16) & 1) === 1;
  if (isMacAddress(lower) && !isMulticast) return lower;
  throw new Fault(
    "invalid-input",
    `Cannot use MAC address "${text}": it is ${
      isMulticast ? "a multicast address" : "not six hexadecimal pairs"
    }`,
    { hint: "Write one such as 02:1b:44:11:3a:b7" },
  );
}
