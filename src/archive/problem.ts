/**
 * What can be wrong with the bytes of an archive. What reads them knows the
 * reason; of which file it is, and what can be done, says whoever had it read.
 *
 * @module
 */

export class ArchiveProblem extends Error {
  override readonly name = "ArchiveProblem";
  /** `unknown`: it may be whole, but holds what is not known here. */
  readonly kind: "damaged" | "unknown";

  /** `reason` ends the sentence `Cannot read <thing>: `. */
  constructor(
    kind: ArchiveProblem["kind"],
    reason: string,
    options: ErrorOptions = {},
  ) {
    super(reason, options);
    this.kind = kind;
  }
}

/** Bytes that do not follow their format. */
export function damaged(reason: string, cause?: unknown): ArchiveProblem {
  return new ArchiveProblem("damaged", reason, { cause });
}

/** A name or word out of an archive, a binary string, fit for a message. */
export function quoted(binary: string): string {
  const bytes = Uint8Array.from(binary, (each) => each.charCodeAt(0));
  const text = new TextDecoder().decode(bytes);
  const short = text.length > 120 ? `${text.slice(0, 120)}...` : text;
  return `"${short.replaceAll(/\p{Cc}/gu, "?")}"`;
}
