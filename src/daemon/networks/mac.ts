/**
 * The MAC address of a VM: the same for the same name and address, for ever.
 *
 * @module
 */

/** `02:` (locally administered) and the first five bytes of SHA-1(`name|ip`). */
export async function macAddress(name: string, ip: string): Promise<string> {
  const text = new TextEncoder().encode(`${name}|${ip}`);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-1", text));
  return ["02", ...[...hash.subarray(0, 5)].map(hex)].join(":");
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
