/**
 * The daemon's database: opened, migrated, and nothing else.
 *
 * It says what should be, so a commit must survive a power cut (WAL with
 * synchronous=FULL). Migrations are numbered files, applied in one transaction
 * each and never changed once released.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { Fault } from "../../lib/fault.ts";
import { storageFault } from "../../lib/files.ts";
import init from "./migrations/0001_init.sql" with { type: "text" };
import plugins from "./migrations/0002_plugins.sql" with { type: "text" };
import leases from "./migrations/0003_leases.sql" with { type: "text" };
import deleting from "./migrations/0004_deleting.sql" with { type: "text" };
import wanted from "./migrations/0005_wanted.sql" with { type: "text" };

export type Database = DatabaseSync;

const MIGRATIONS = [init, plugins, leases, deleting, wanted];

export function openDatabase(path: string): Database {
  try {
    if (path !== ":memory:") makePrivate(path);
    const database = new DatabaseSync(path);
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = FULL");
    database.exec("PRAGMA foreign_keys = ON");
    migrate(database, path);
    return database;
  } catch (error) {
    throw storageFault(error, "open database", path);
  }
}

/**
 * The environment of workloads stands in it. SQLite gives its other files the
 * mode of this one.
 */
function makePrivate(path: string): void {
  Deno.openSync(path, { write: true, create: true, mode: 0o600 }).close();
  Deno.chmodSync(path, 0o600);
}

function migrate(database: Database, path: string): void {
  const row = database.prepare("PRAGMA user_version").get();
  const version = Number(row?.["user_version"]);
  if (version > MIGRATIONS.length) {
    throw new Fault(
      "not-supported",
      `Cannot open database "${path}": its schema ${version} is newer than this program's ${MIGRATIONS.length}`,
      { hint: "Run the volant that wrote it, or a newer one" },
    );
  }
  for (let next = version; next < MIGRATIONS.length; next++) {
    transaction(database, () => {
      database.exec(MIGRATIONS[next] ?? "");
      database.exec(`PRAGMA user_version = ${next + 1}`);
    });
  }
}

/** Runs `job` as one transaction; a throw undoes all of it. */
export function transaction<T>(database: Database, job: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = job();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    database.exec("ROLLBACK");
    throw storageFault(error, "write", "database");
  }
}
