/**
 * Strings that hold one byte in each character, as names and targets of a tree
 * do: into bytes for the image, into readable text for a fault.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  putBytes(text, bytes, 0);
  return bytes;
}

/** Writes the bytes of `text` into `target`, which must have the room. */
export function putBytes(text: string, target: Uint8Array, at: number): void {
  for (let index = 0; index < text.length; index++) {
    target[at + index] = text.charCodeAt(index);
  }
}

/** `text` as a person reads it: its bytes taken for UTF-8. */
export function shown(text: string): string {
  return isBinary(text) ? new TextDecoder().decode(bytesOf(text)) : text;
}

/** Throws if `text` has characters that are no bytes, or a NUL. */
export function checkBinary(text: string, what: string): void {
  if (isBinary(text) && !text.includes("\0")) return;
  throw new Fault(
    "invalid-image",
    `Cannot write ${what} "${shown(text)}": it holds what is no byte of a name`,
  );
}

function isBinary(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0xff) return false;
  }
  return true;
}
