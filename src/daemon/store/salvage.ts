/**
 * Makes a new database out of what is left: of the old one, of its copy, and of
 * the records beside the VMs' disks.
 *
 * The newest that can be read of a VM wins; of what stands in the copy, only
 * what was not deleted since: its record is gone then. Nothing is removed, and
 * nothing replaced before the new database is whole and on the disk.
 *
 * @module
 */

import { dirname, isThere, removeIfThere, syncDir } from "../../lib/files.ts";
import { isDiskFault } from "../../lib/fault.ts";
import { step } from "../../lib/step.ts";
import { DamagedDatabase } from "./damaged_database.ts";
import {
  Database,
  migrate,
  newerSchema,
  type Row,
  SCHEMA_VERSION,
  transaction,
} from "./database.ts";
import { replaceDatabase, type StoreFiles, unfinished } from "./store_files.ts";
import { insertRow, insertVm } from "./insert_row.ts";
import {
  highestId,
  rebuiltVm,
  recordedIds,
  type StoreFolders,
} from "./vm_folders.ts";
import { hasVmRecord } from "./vm_record.ts";
import { damagedColumns, mendedVm } from "./whole_row.ts";

/** What became of the rows, by name. */
export interface Salvaged {
  /** Taken over as the damaged database had them. */
  readonly kept: readonly string[];
  readonly fromCopy: readonly string[];
  readonly fromRecord: readonly string[];
  /** Nothing whole was found of them anywhere. */
  readonly lost: readonly string[];
  /** Where the old files are now. */
  readonly aside: readonly string[];
}

type From = "kept" | "fromCopy" | "fromRecord";

interface Candidate {
  readonly from: From;
  readonly row: Row | undefined;
}

/** All that can be read of a table, there and there. */
interface Sources {
  readonly database: ReadonlyMap<number, Row>;
  readonly copy: ReadonlyMap<number, Row>;
}

interface Found {
  /** Of the newest schema there is. */
  readonly version: number;
  readonly changes: number;
  readonly lastId: number;
  readonly isBehind: boolean;
  readonly vms: Sources;
  readonly plugins: Sources;
}

/** Throws the faults of a disk, and then nothing was changed. */
export async function salvage(
  files: StoreFiles,
  folders: StoreFolders,
): Promise<Salvaged> {
  const found = await read(files, folders);
  const told: Record<From | "lost", string[]> = {
    ...{ kept: [], fromCopy: [], fromRecord: [], lost: [] },
  };
  const path = unfinished(files.salvaged);
  try {
    const database = new Database(path);
    try {
      database.exec("PRAGMA foreign_keys = ON");
      migrate(database, path, found.version);
      transaction(database, () => {
        for (const [name, candidates] of vmCandidates(found, folders)) {
          told[firstTaken(candidates, (row) => insertVm(database, row))]
            .push(`VM ${name}`);
        }
        for (const [name, candidates] of pluginCandidates(found)) {
          told[
            firstTaken(
              candidates,
              (row) => insertRow(database, "plugins", row),
            )
          ].push(`plugin ${name}`);
        }
      });
      migrate(database, path);
      writeCounters(database, found, folders);
    } finally {
      database.close();
    }
    await syncFile(path);
  } catch (error) {
    await removeIfThere(path);
    throw error;
  }
  step("salvage:written");
  await Deno.rename(path, files.salvaged);
  await syncDir(dirname(path));
  step("salvage:whole");
  const aside = await replaceDatabase(files);
  step("salvage:replaced");
  return { ...told, aside };
}

/** The table it ended up in: of the first candidate that could be written. */
function firstTaken(
  candidates: readonly Candidate[],
  insert: (row: Row) => void,
): From | "lost" {
  for (const { from, row } of candidates) {
    if (row === undefined) continue;
    try {
      insert(row);
      return from;
    } catch (error) {
      // A row that the schema refuses is as one that cannot be read.
      if (isDiskFault(error)) throw error;
    }
  }
  return "lost";
}

async function read(
  { database, copy }: StoreFiles,
  folders: StoreFolders,
): Promise<Found> {
  using old = await opened(database);
  using last = await opened(copy);
  const isCopySound = last?.examine().length === 0;
  const copyVersion = isCopySound ? last.version ?? 0 : 0;
  const version = old?.version ?? copyVersion;
  if (copyVersion > SCHEMA_VERSION) throw newerSchema(copy, copyVersion);
  // Too high by little, and no copy that knows better: it may well be true.
  const isNewer = version > SCHEMA_VERSION && version <= VERSION_MAX;
  if (isNewer && copyVersion === 0) throw newerSchema(database, version);
  const lastOfCopy = isCopySound ? last.lastId : 0;
  const seen = Math.max(lastOfCopy, highestId(folders));
  // A number that was damaged must not use up all ids there are.
  const lastOfOld = old !== undefined && old.lastId <= seen + IDS_LEAP_MAX
    ? old.lastId
    : 0;
  const ids = recordedIds(folders);
  const changesOfCopy = isCopySound ? last.changes : 0;
  return {
    version: version > 0 && version <= SCHEMA_VERSION
      ? version
      : copyVersion || SCHEMA_VERSION,
    changes: Math.max(plausible(old?.changes), changesOfCopy),
    lastId: lastOfOld > 0 ? Math.max(seen, lastOfOld) : seen + IDS_SKIPPED,
    isBehind: isBehind(old?.changes ?? 0, changesOfCopy),
    vms: {
      database: old?.rows("vms", ids) ?? new Map(),
      copy: last?.rows("vms", ids) ?? new Map(),
    },
    plugins: {
      database: old?.rows("plugins") ?? new Map(),
      copy: last?.rows("plugins") ?? new Map(),
    },
  };
}

/** VMs that may have come and gone where the last id cannot be told. */
const IDS_SKIPPED = 1000;
/** Further than this beyond all others, an id is taken for damaged. */
const IDS_LEAP_MAX = 1_000_000;
const CHANGES_MAX = 2 ** 50;
/** Beyond, a schema's version is taken for damaged. */
const VERSION_MAX = 1000;

function plausible(changes = 0): number {
  return changes < CHANGES_MAX ? changes : 0;
}

/** Of a number that cannot be read, nothing follows. */
function isBehind(changes: number, changesOfCopy: number): boolean {
  return changes > 0 && changes < changesOfCopy;
}

async function opened(path: string): Promise<DamagedDatabase | undefined> {
  if (!await isThere(path)) return undefined;
  return new DamagedDatabase(path);
}

/** Per VM what it may be made of, the best first. */
function vmCandidates(
  { vms: { database, copy }, isBehind, lastId }: Found,
  folders: StoreFolders,
): [string, Candidate[]][] {
  const ids = new Set([
    ...database.keys(),
    ...copy.keys(),
    ...recordedIds(folders),
  ]);
  const all: [string, Candidate[]][] = [];
  for (const id of [...ids].sort((a, b) => b - a)) {
    const [old, last] = [database.get(id), copy.get(id)];
    const isOnlyOld = last === undefined || !isBehind;
    const mayBeDeleted = old === undefined || isBehind;
    if (mayBeDeleted && !hasVmRecord(folders.stateDir, id)) continue;
    if (id > lastId + IDS_LEAP_MAX) continue;
    const record = rebuiltVm(folders, id);
    const [kept, copied] = [
      whole("vms", asRecorded(old, record)),
      whole("vms", asRecorded(last, record)),
    ];
    const newest: Candidate[] = [
      { from: "kept", row: kept },
      { from: "fromCopy", row: copied },
    ];
    const name = record?.["name"] ?? (kept ?? copied ?? old)?.["name"] ?? id;
    all.push([String(name), [
      ...(isOnlyOld ? newest : newest.toReversed()),
      { from: "kept", row: old && mendedVm(old) },
      { from: "fromRecord", row: record },
    ]]);
  }
  return all;
}

/**
 * What a VM was created with never changes: the record has it for certain. And
 * while it is there, nothing of the VM was removed.
 */
function asRecorded(
  row: Row | undefined,
  record: Row | undefined,
): Row | undefined {
  if (row === undefined || record === undefined) return row;
  const { name, config, artifacts, lease, created_at } = record;
  return {
    ...row,
    ...{ name, config, artifacts, lease, created_at, deleting: 0 },
  } as Row;
}

function pluginCandidates(
  { plugins: { database, copy }, isBehind }: Found,
): [string, Candidate[]][] {
  const byName = (rows: ReadonlyMap<number, Row>) =>
    new Map([...rows.values()].map((row) => [String(row["name"]), row]));
  const [old, last] = [byName(database), byName(copy)];
  return [...new Set([...old.keys(), ...last.keys()])].map((name) => {
    const kept: Candidate = {
      from: "kept",
      row: whole("plugins", old.get(name)),
    };
    const copied: Candidate = {
      from: "fromCopy",
      row: whole("plugins", last.get(name)),
    };
    return [name, isBehind ? [copied, kept] : [kept, copied]];
  });
}

function whole(table: string, row: Row | undefined): Row | undefined {
  if (row === undefined) return undefined;
  return damagedColumns(table, row).length === 0 ? row : undefined;
}

/** No id is given twice, and the copy is older from now on. */
function writeCounters(
  database: Database,
  { lastId, changes }: Found,
  folders: StoreFolders,
): void {
  raiseLastId(database, Math.max(lastId, highestId(folders)));
  database.prepare("UPDATE changes SET count = count + ?").run(changes + 1);
}

/** From now on, ids begin above `id`. */
export function raiseLastId(database: Database, id: number): void {
  const sequence = "FROM sqlite_sequence WHERE name = 'vms'";
  const now = database.prepare(`SELECT seq ${sequence}`).get();
  if (Number(now?.["seq"] ?? 0) >= id) return;
  transaction(database, () => {
    database.exec(`DELETE ${sequence}`);
    database.prepare(
      "INSERT INTO sqlite_sequence (name, seq) VALUES ('vms', ?)",
    )
      .run(id);
  });
}

async function syncFile(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.sync();
}
