/**
 * Names for VMs whose user gives them none.
 *
 * @module
 */

const LABEL_MAX = 63;
const LETTERS = 4;

/** `nginx-qzkw`: a DNS label made of what it runs, and four letters. */
export function nameAfter(
  what: string,
  random: Uint8Array = crypto.getRandomValues(new Uint8Array(LETTERS)),
): string {
  const letters = [...random]
    .map((byte) => String.fromCharCode(0x61 + byte % 26)).join("");
  const label = what.toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, LABEL_MAX - LETTERS - 1)
    .replace(/-+$/, "");
  return `${label || "vm"}-${letters}`;
}
