/**
 * What an error of SQLite means for the user.
 *
 * SQLite says "disk I/O error" of a file system that is read-only, of a disk
 * that fails and of a folder that is gone. Which it is, is found by writing a
 * small file beside the database.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { storageFault } from "../../lib/files.ts";

/** The fault for an error of SQLite; others, such as of a constraint, unchanged. */
export function databaseFault(error: unknown, path: string): unknown {
  const text = error instanceof Error ? error.message : String(error);
  if (/malformed|not a database/.test(text)) return damaged(error, path);
  if (
    /disk I\/O error|unable to open database|readonly database/.test(text)
  ) {
    const found = probe(probeOf(path));
    const fault = storageFault(found ?? error, "write", path);
    return fault instanceof Fault ? fault : failed(error, path, text);
  }
  return storageFault(error, "write", path);
}

/** The file that is written beside `database` to see whether one can be. */
export function probeOf(database: string): string {
  return `${database}.probe`;
}

/** What keeps the file from being written; undefined if nothing does. */
function probe(path: string): unknown {
  try {
    using file = Deno.openSync(path, {
      write: true,
      create: true,
      truncate: true,
      mode: 0o600,
    });
    try {
      file.writeSync(new Uint8Array(1));
      file.syncSync();
    } finally {
      Deno.removeSync(path);
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

function damaged(cause: unknown, path: string): Fault {
  return new Fault(
    "disk-failed",
    `Cannot use database "${path}": what stands in it is damaged`,
    { cause, hint: "Restart the daemon: it saves what can be saved" },
  );
}

function failed(cause: unknown, path: string, text: string): Fault {
  return new Fault(
    "disk-failed",
    `Cannot write database "${path}": ${text}`,
    { cause, hint: "Look at the kernel's log (dmesg) for what the disk said" },
  );
}
