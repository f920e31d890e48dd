/**
 * Opens the daemon's database when it starts, whatever happened to its files:
 * what is damaged is found, what can be saved is saved, and what was saved and
 * what was not is told in the log.
 *
 * @module
 */

import { Fault, isDiskFault } from "../../lib/fault.ts";
import { storageFault } from "../../lib/files.ts";
import type { Logger } from "../../lib/log.ts";
import { DamagedDatabase } from "./damaged_database.ts";
import {
  type Database,
  newerSchema,
  openDatabase,
  SCHEMA_VERSION,
  transaction,
} from "./database.ts";
import { insertVm } from "./insert_row.ts";
import { raiseLastId, salvage, type Salvaged } from "./salvage.ts";
import { finishReplacing, type StoreFiles, storeFiles } from "./store_files.ts";
import {
  highestId,
  rebuiltVm,
  recordedIds,
  type StoreFolders,
} from "./vm_folders.ts";
import { hasVmRecord, writeVmRecord } from "./vm_record.ts";
import { VmStore } from "./vms.ts";

/** Throws `not-supported`, `invalid-input`, `state-locked` and the faults of a disk. */
export async function openStore(
  folders: StoreFolders,
  log: Logger,
): Promise<Database> {
  const files = storeFiles(folders.stateDir);
  try {
    await finishReplacing(files);
    const why = whatIsWrong(files, folders);
    if (why.length > 0) tell(log, why, await salvage(files, folders));
    const database = openDatabase(files.database);
    try {
      bringBack(database, folders, log);
      await writeMissingRecords(database, folders, log);
    } catch (error) {
      database.close();
      throw error;
    }
    return database;
  } catch (error) {
    throw storageFault(error, "open database", files.database);
  }
}

/** Why the database cannot be used as it is; [] if it can, or is to be made. */
function whatIsWrong(files: StoreFiles, folders: StoreFolders): string[] {
  const size = sizeOf(files.database) ?? "gone";
  const copySize = sizeOf(files.copy);
  const hadAny = copySize !== undefined || recordedIds(folders).length > 0;
  if (size === "gone") return hadAny ? ["it is gone"] : [];
  using database = new DamagedDatabase(files.database);
  const wrong = database.examine();
  if (wrong.length > 0) return wrong;
  if (database.isEmpty) return hadAny ? ["it is empty"] : [];
  const { version = 0, changes } = database;
  if (version > SCHEMA_VERSION) throw newerSchema(files.database, version);
  if (copySize === undefined) return [];
  using copy = new DamagedDatabase(files.copy);
  const lacks = copy.examine().length === 0 ? copy.changes - changes : 0;
  return lacks > 0 ? [`it lacks ${lacks} changes that its copy has`] : [];
}

/** Undefined if it is not there. Throws `invalid-input` if it is no file. */
function sizeOf(path: string): number | undefined {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (info.isFile) return info.size;
  throw new Fault(
    "invalid-input",
    `Cannot open database "${path}": it is not a regular file`,
    { hint: "Move it away" },
  );
}

/**
 * VMs whose record lies beside their disks and that the database does not know:
 * a deletion removes the record first, so they are of a database that was lost
 * in part, or replaced by an older one.
 */
function bringBack(
  database: Database,
  folders: StoreFolders,
  log: Logger,
): void {
  raiseLastId(database, highestId(folders));
  const known = database.prepare("SELECT 1 FROM vms WHERE id = ?");
  for (const id of recordedIds(folders).sort((a, b) => b - a)) {
    if (known.get(id) !== undefined) continue;
    const row = rebuiltVm(folders, id);
    if (row === undefined) continue;
    try {
      transaction(database, () => insertVm(database, row));
    } catch (error) {
      if (isDiskFault(error)) throw error;
      log.error("Cannot bring VM {vm} back from its record: {error}", {
        vm: row["name"],
        error,
      });
      continue;
    }
    log.warn(
      "VM {vm} was not in the database: it is back as its record in vms/{id} has it",
      { vm: row["name"], id },
    );
  }
}

/** Of VMs that an older Volant made. */
async function writeMissingRecords(
  database: Database,
  { stateDir }: StoreFolders,
  log: Logger,
): Promise<void> {
  const missing = new VmStore(database).list()
    .filter(({ id, deleting }) => !deleting && !hasVmRecord(stateDir, id));
  for (const vm of missing) {
    try {
      await writeVmRecord(stateDir, vm);
    } catch (error) {
      // The next daemon tries again; this one can serve without.
      log.warn("Cannot write the record of VM {vm}: {error}", {
        vm: vm.name,
        error,
      });
      return;
    }
  }
}

function tell(log: Logger, why: readonly string[], saved: Salvaged): void {
  const { kept, fromCopy, fromRecord, lost, aside } = saved;
  log.warn(
    "The database was damaged ({why}). It was made anew; the damaged files are {aside}",
    {
      why: why.join("; "),
      aside: aside.length > 0 ? aside.join(", ") : "gone",
    },
  );
  log.warn(
    "Saved {count}: {kept} from the database, {copied} from its copy ({fromCopy}), {recorded} from the records of VMs ({fromRecord})",
    {
      count: kept.length + fromCopy.length + fromRecord.length,
      kept: kept.length,
      copied: fromCopy.length,
      fromCopy: fromCopy.join(", "),
      recorded: fromRecord.length,
      fromRecord: fromRecord.join(", "),
    },
  );
  if (lost.length === 0) return;
  log.error("Lost {count}, of which nothing whole was found: {lost}", {
    count: lost.length,
    lost: lost.join(", "),
  });
}
