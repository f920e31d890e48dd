/**
 * The daemon's database: opened, migrated, and nothing else. What is wrong with
 * a file is found by `examine.ts`, and mended by `salvage.ts`, before.
 *
 * It says what should be, so a commit must survive a power cut (WAL with
 * synchronous=FULL), and what could not be written is told as a fault: SQLite
 * has one word for a disk that is read-only, broken or gone. Migrations are
 * numbered files, applied in one transaction each and never changed once
 * released.
 *
 * @module
 */

import {
  DatabaseSync,
  type SQLInputValue,
  type SQLOutputValue,
} from "node:sqlite";
import { Fault, isDiskFault } from "../../lib/fault.ts";
import { storageFault } from "../../lib/files.ts";
import { step } from "../../lib/step.ts";
import { databaseFault } from "./database_fault.ts";
import init from "./migrations/0001_init.sql" with { type: "text" };
import plugins from "./migrations/0002_plugins.sql" with { type: "text" };
import leases from "./migrations/0003_leases.sql" with { type: "text" };
import deleting from "./migrations/0004_deleting.sql" with { type: "text" };
import wanted from "./migrations/0005_wanted.sql" with { type: "text" };
import changes from "./migrations/0006_changes.sql" with { type: "text" };

const MIGRATIONS = [init, plugins, leases, deleting, wanted, changes];

/** What this program writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

export type Row = Record<string, SQLOutputValue>;

export interface Statement {
  run(
    ...values: SQLInputValue[]
  ): { readonly lastInsertRowid: number | bigint };
  get(...values: SQLInputValue[]): Row | undefined;
  all(...values: SQLInputValue[]): Row[];
}

export class Database {
  readonly #inner: DatabaseSync;
  readonly #path: string;
  readonly #file: Deno.FileInfo | undefined;
  /** What was told not to be written may stand in the -wal all the same. */
  #isUnsure = false;

  /** `path` may be `:memory:`; the folder must be there. */
  constructor(path: string) {
    this.#path = path;
    if (path !== ":memory:") {
      makePrivate(path);
      this.#file = Deno.statSync(path);
    }
    this.#inner = new DatabaseSync(path);
  }

  location(): string | null {
    return this.#inner.location();
  }

  exec(sql: string): void {
    this.#told(() => this.#inner.exec(sql));
  }

  prepare(sql: string): Statement {
    const statement = this.#told(() => this.#inner.prepare(sql));
    return {
      run: (...values) => {
        this.checkThere();
        return this.#told(() => statement.run(...values));
      },
      get: (...values) => this.#told(() => statement.get(...values)),
      all: (...values) => this.#told(() => statement.all(...values)),
    };
  }

  /** SQLite would go on to write to a file that has no name any more. */
  checkThere(): void {
    if (this.#file === undefined) return;
    let now: Deno.FileInfo | undefined;
    try {
      now = Deno.statSync(this.#path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw storageFault(error, "look at", this.#path);
      }
    }
    if (now?.ino === this.#file.ino && now.dev === this.#file.dev) return;
    throw new Fault(
      "disk-failed",
      `Cannot write database "${this.#path}": the file was removed or replaced while the daemon runs`,
      { hint: "Put the state directory back as it was and restart the daemon" },
    );
  }

  /**
   * After a disk that failed: what was told not to be written, but came as far
   * as the file, is written over, or the next daemon would take it for true.
   */
  settle(): void {
    if (!this.#isUnsure) return;
    // A change that changes nothing is not written.
    this.prepare("UPDATE changes SET count = count + 1").run();
    this.#isUnsure = false;
    step("database:settled");
  }

  /** Writes a whole copy into a file that is not there yet. */
  copyInto(path: string): void {
    makePrivate(path);
    this.#told(() => this.#inner.prepare("VACUUM INTO ?").run(path));
  }

  close(): void {
    this.#inner.close();
  }

  #told<T>(job: () => T): T {
    try {
      return job();
    } catch (error) {
      const fault = databaseFault(error, this.#path);
      if (isDiskFault(fault)) this.#isUnsure = true;
      throw fault;
    }
  }
}

export function openDatabase(path: string): Database {
  const database = new Database(path);
  try {
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = FULL");
    database.exec("PRAGMA foreign_keys = ON");
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * The environment of workloads stands in it. SQLite gives its other files the
 * mode of this one.
 */
function makePrivate(path: string): void {
  try {
    Deno.openSync(path, { write: true, create: true, mode: 0o600 }).close();
    Deno.chmodSync(path, 0o600);
  } catch (error) {
    throw storageFault(error, "open database", path);
  }
}

/** Brings the schema from what it is to version `to`. */
export function migrate(
  database: Database,
  path: string,
  to = SCHEMA_VERSION,
): void {
  const row = database.prepare("PRAGMA user_version").get();
  const version = Number(row?.["user_version"]);
  if (version > SCHEMA_VERSION) throw newerSchema(path, version);
  for (let next = version; next < to; next++) {
    transaction(database, () => {
      database.exec(MIGRATIONS[next] ?? "");
      database.exec(`PRAGMA user_version = ${next + 1}`);
    });
  }
}

export function newerSchema(path: string, version: number): Fault {
  return new Fault(
    "not-supported",
    `Cannot open database "${path}": its schema ${version} is newer than this program's ${SCHEMA_VERSION}`,
    { hint: "Run the volant that wrote it, or a newer one" },
  );
}

/** Runs `job` as one transaction; a throw undoes all of it. */
export function transaction<T>(database: Database, job: () => T): T {
  database.checkThere();
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = job();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    try {
      database.exec("ROLLBACK");
    } catch {
      // A disk that failed has ended the transaction already.
    }
    throw error;
  }
}
