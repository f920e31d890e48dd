/**
 * The failures Volant reports on purpose.
 *
 * One table names every fault, the HTTP status it travels under and the exit
 * code the CLI ends with, so a fault thrown deep in the daemon reaches the
 * terminal with its meaning intact. Anything thrown that is not a `Fault` is a
 * bug of ours, and is reported as one.
 *
 * Exit codes follow sysexits.h where one fits.
 *
 * @module
 */

/** Every fault: HTTP status, exit code of the CLI, and what it means. */
export const FAULTS = {
  "invalid-input": {
    status: 400,
    exit: 64,
    meaning: "A word, field or file given by the user is not valid.",
  },
  "invalid-manifest": {
    status: 400,
    exit: 65,
    meaning: "A manifest or fledge.toml does not follow its schema.",
  },
  "checksum-mismatch": {
    status: 422,
    exit: 65,
    meaning: "A file is not the one its checksum names.",
  },
  "invalid-kernel": {
    status: 422,
    exit: 65,
    meaning: "A kernel file is not one the hypervisor can boot.",
  },
  "vm-not-found": { status: 404, exit: 66, meaning: "No VM has that name." },
  "file-not-found": {
    status: 404,
    exit: 66,
    meaning: "A file that was named does not exist or cannot be read.",
  },
  "no-such-endpoint": {
    status: 404,
    exit: 70,
    meaning: "The API has no such path or method.",
  },
  "vm-exists": {
    status: 409,
    exit: 73,
    meaning: "A VM already has that name.",
  },
  "already-exists": {
    status: 409,
    exit: 73,
    meaning: "What was to be made is there already, and is not overwritten.",
  },
  "plugin-not-found": {
    status: 404,
    exit: 66,
    meaning: "No plugin of that name is installed.",
  },
  "plugin-disabled": {
    status: 409,
    exit: 73,
    meaning: "The plugin is installed, but may not be used for new VMs.",
  },
  "wrong-state": {
    status: 409,
    exit: 73,
    meaning: "The VM is in a state that does not allow this.",
  },
  "port-in-use": {
    status: 409,
    exit: 73,
    meaning: "A host port that was asked for is taken.",
  },
  "address-in-use": {
    status: 409,
    exit: 73,
    meaning: "An address that was asked for is held by another VM.",
  },
  "no-free-address": {
    status: 409,
    exit: 73,
    meaning: "All addresses of the network are held by VMs.",
  },
  "network-unavailable": {
    status: 503,
    exit: 69,
    meaning: "The host's network cannot be set up as the VM needs it.",
  },
  "state-locked": {
    status: 409,
    exit: 73,
    meaning: "Another daemon holds this state directory.",
  },
  "body-too-large": {
    status: 413,
    exit: 64,
    meaning: "A request body is over its limit.",
  },
  "not-enough-memory": {
    status: 422,
    exit: 71,
    meaning: "The host has not the memory that was asked for.",
  },
  "not-supported": {
    status: 422,
    exit: 64,
    meaning: "This hypervisor, network mode or file system cannot do that.",
  },
  "disk-full": {
    status: 507,
    exit: 74,
    meaning: "The disk has no room for what had to be written.",
  },
  "disk-read-only": {
    status: 503,
    exit: 74,
    meaning: "The disk cannot be written to: it is mounted read-only.",
  },
  "disk-failed": {
    status: 503,
    exit: 74,
    meaning: "The disk failed, or what stands on it is damaged or gone.",
  },
  "invalid-image": {
    status: 422,
    exit: 65,
    meaning: "An OCI image is damaged, hostile or of a kind that is not known.",
  },
  "invalid-backup": {
    status: 422,
    exit: 65,
    meaning: "A backup is damaged, was broken off, or is of a newer Volant.",
  },
  "image-not-found": {
    status: 404,
    exit: 66,
    meaning: "No image of that name is in the registry, or in the cache.",
  },
  "registry-denied": {
    status: 403,
    exit: 77,
    meaning: "A registry does not let one in, or wants other credentials.",
  },
  "boot-failed": {
    status: 422,
    exit: 70,
    meaning: "The machine could not be started.",
  },
  "download-failed": {
    status: 502,
    exit: 69,
    meaning: "A file or an image could not be fetched.",
  },
  "build-failed": {
    status: 422,
    exit: 70,
    meaning: "An artifact could not be built.",
  },
  "hypervisor-unavailable": {
    status: 503,
    exit: 69,
    meaning: "The hypervisor, or a program it needs, is not on this host.",
  },
  "daemon-unavailable": {
    status: 503,
    exit: 69,
    meaning: "No daemon answers on its socket.",
  },
  "timed-out": {
    status: 504,
    exit: 75,
    meaning: "What was waited for did not happen in time.",
  },
  "bug": {
    status: 500,
    exit: 70,
    meaning: "An error of Volant's own; the daemon's log has the stack.",
  },
} as const satisfies Record<
  string,
  { status: number; exit: number; meaning: string }
>;

export type FaultCode = keyof typeof FAULTS;

export interface FaultOptions extends ErrorOptions {
  /** What the reader can do about it, as one imperative sentence. */
  readonly hint?: string | undefined;
  /** Facts a program may want, such as the states that would have been valid. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options);
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }

  /** The fault itself, or a `bug` that carries what was thrown. */
  static from(thrown: unknown): Fault {
    if (thrown instanceof Fault) return thrown;
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    return new Fault("bug", `Unexpected internal error: ${text}`, {
      cause: thrown,
      hint: "Report it with the daemon's log",
    });
  }
}

/** Whether `word` names a fault of the table, as one read off the wire may not. */
export function isFaultCode(word: unknown): word is FaultCode {
  return typeof word === "string" && Object.hasOwn(FAULTS, word);
}

/** Whether `error` says that a disk took no write, or gave nothing back. */
export function isDiskFault(error: unknown): error is Fault {
  return error instanceof Fault && error.code.startsWith("disk-");
}
