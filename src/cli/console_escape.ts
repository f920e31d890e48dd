/**
 * Finds the words of the user's own in what is typed into a console.
 *
 * As with ssh, `~.` at the beginning of a line leaves and `~~` there is one
 * tilde. A tilde is held back until the next byte says which it is.
 *
 * @module
 */

const TILDE = 0x7e;
const DOT = 0x2e;
const CARRIAGE_RETURN = 0x0d;
const NEWLINE = 0x0a;

export class ConsoleEscape {
  #state: "line start" | "inside" | "tilde" = "line start";

  /** What goes to the guest, and whether the user wants to leave. */
  feed(
    typed: Uint8Array,
  ): { readonly bytes: Uint8Array<ArrayBuffer>; readonly leave: boolean } {
    const bytes: number[] = [];
    for (const byte of typed) {
      if (this.#state === "tilde") {
        if (byte === DOT) return { bytes: new Uint8Array(bytes), leave: true };
        if (byte !== TILDE) bytes.push(TILDE);
        bytes.push(byte);
      } else if (this.#state === "line start" && byte === TILDE) {
        this.#state = "tilde";
        continue;
      } else {
        bytes.push(byte);
      }
      this.#state = byte === CARRIAGE_RETURN || byte === NEWLINE
        ? "line start"
        : "inside";
    }
    return { bytes: new Uint8Array(bytes), leave: false };
  }
}
