/**
 * What one check of a host has found.
 *
 * @module
 */

/**
 * ok: it is there. warn: something is slower, or cannot be done, without it.
 * missing: no guest can run. unused: it is not there, and nothing that this
 * version of Volant does for this user needs it.
 */
export type CheckStatus = "ok" | "warn" | "missing" | "unused";

export interface HostCheck {
  readonly name: string;
  readonly status: CheckStatus;
  /** What is the case, such as `7.2.22, /usr/bin/qemu-system-x86_64`. */
  readonly found: string;
  /** What it is for, and what its absence costs. */
  readonly needed_for: string;
  /** The command or step that mends it. */
  readonly remedy?: string;
}

/** A check that is `ok`, or of status `otherwise` and with its remedy. */
export function outcome(
  isOk: boolean,
  otherwise: Exclude<CheckStatus, "ok">,
  { remedy, ...check }: Omit<HostCheck, "status">,
): HostCheck {
  if (isOk || remedy === undefined) {
    return { ...check, status: isOk ? "ok" : otherwise };
  }
  return { ...check, status: otherwise, remedy };
}

/** A check that could not be made for want of a program. */
export function notKnown(
  check: Pick<HostCheck, "name" | "needed_for">,
  otherwise: Exclude<CheckStatus, "ok">,
  program: string,
  packageName: string,
): HostCheck {
  return outcome(false, otherwise, {
    ...check,
    found: `not known: that takes the program "${program}"`,
    remedy: `apt-get install ${packageName}`,
  });
}
