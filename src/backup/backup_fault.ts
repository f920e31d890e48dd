/**
 * What is found wrong with a backup, told to people with the file it is of.
 *
 * @module
 */

import { ArchiveProblem } from "../archive/problem.ts";
import { Fault } from "../lib/fault.ts";

/** A problem as the fault of the file `path`; other errors unchanged. */
export function backupFault(
  verb: string,
  path: string,
  error: unknown,
): unknown {
  if (!(error instanceof ArchiveProblem)) return error;
  return new Fault(
    "invalid-backup",
    `Cannot ${verb} backup "${path}": ${error.message}`,
    {
      cause: error.cause ?? error,
      hint: error.kind === "unknown"
        ? "Use the Volant that wrote it, or a newer one"
        : "Copy it again from where it was made, or take another backup",
    },
  );
}
