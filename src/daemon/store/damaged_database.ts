/**
 * Reading a database that may be damaged, without changing a byte of it.
 *
 * SQLite stops a scan at the first page that is none. So rows are looked up one
 * by one, along every way that leads to them: a page that is lost costs the rows
 * that stand on it, and no others.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { Fault } from "../../lib/fault.ts";
import { Database, migrate, type Row, SCHEMA_VERSION } from "./database.ts";
import { damagedColumns } from "./whole_row.ts";

/** Ids are looked up one by one to here; beyond, only those a scan came across. */
const LOOKUPS_MAX = 200_000;
/** Of what is wrong, so much is told. */
const REASONS_MAX = 5;

/** SQLITE_BUSY and SQLITE_LOCKED, of sqlite3.h. */
const BUSY_CODES = [5, 6];

export class DamagedDatabase implements Disposable {
  readonly #database: DatabaseSync;
  readonly #path: string;

  /** `path` must be there. */
  constructor(path: string) {
    this.#path = path;
    // Nothing is written: what was found stays as it was found.
    this.#database = new DatabaseSync(path, { readOnly: true });
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** What is wrong with it, in words; [] if nothing. Throws `state-locked`. */
  examine(): string[] {
    const wrong = this.#structure();
    if (wrong.length === 0) wrong.push(...this.#schema());
    // Of a newer schema, nobody here knows what is whole.
    const isKnown = (this.version ?? 0) <= SCHEMA_VERSION;
    if (wrong.length === 0 && isKnown) wrong.push(...this.#values());
    return wrong.slice(0, REASONS_MAX);
  }

  /** Whether it is sound, and nobody has written anything into it yet. */
  get isEmpty(): boolean {
    return this.version === undefined && this.#tables().size === 0;
  }

  /** Undefined if it cannot be one that any Volant wrote. */
  get version(): number | undefined {
    const version = this.#number("PRAGMA user_version");
    return Number.isSafeInteger(version) && version > 0 ? version : undefined;
  }

  /** How often it was changed; 0 if that cannot be told. */
  get changes(): number {
    return this.#number("SELECT count FROM changes");
  }

  /** The highest id that was ever given; 0 if that cannot be told. */
  get lastId(): number {
    return this.#number("SELECT seq FROM sqlite_sequence WHERE name = 'vms'");
  }

  /** All rows of a table that can be read, whole or not, by rowid. */
  rows(table: string, ids: Iterable<number> = []): Map<number, Row> {
    const found = new Map<number, Row>();
    const known = new Set(ids);
    for (
      const way of [
        `SELECT rowid AS id FROM ${table} NOT INDEXED ORDER BY rowid`,
        `SELECT rowid AS id FROM ${table} NOT INDEXED ORDER BY rowid DESC`,
        `SELECT rowid AS id FROM ${table} ORDER BY name`,
      ]
    ) this.#walk(way, known);
    const last = Math.max(0, this.lastId, ...known);
    for (let id = 1; id <= Math.min(last, LOOKUPS_MAX); id++) known.add(id);
    this.#tolerate(() => {
      const lookup = this.#database.prepare(
        `SELECT * FROM ${table} NOT INDEXED WHERE rowid = ?`,
      );
      for (const id of known) {
        this.#tolerate(() => {
          const row = lookup.get(id);
          if (row !== undefined) found.set(id, row);
        });
      }
    });
    return found;
  }

  #walk(sql: string, into: Set<number>): void {
    this.#tolerate(() => {
      for (const { id } of this.#database.prepare(sql).iterate()) {
        if (Number.isSafeInteger(id)) into.add(Number(id));
      }
    });
  }

  #structure(): string[] {
    try {
      const told = this.#query(`PRAGMA integrity_check(${REASONS_MAX})`)
        .map((row) => String(row["integrity_check"]))
        .filter((text) => text !== "ok")
        .map((text) => text.replace(/\s+/g, " "));
      const dangling = this.#query("PRAGMA foreign_key_check");
      return dangling.length === 0
        ? told
        : [...told, `${dangling.length} rows name a VM that is not there`];
    } catch (error) {
      if (error instanceof Fault) throw error;
      return [error instanceof Error ? error.message : String(error)];
    }
  }

  /** Whether its tables are those of its version. */
  #schema(): string[] {
    const { version } = this;
    const tables = this.#tables();
    if (version === undefined) {
      return tables.size === 0 ? [] : ["its version is not there"];
    }
    if (version > SCHEMA_VERSION) return [];
    const asItShouldBe = new Database(":memory:");
    try {
      migrate(asItShouldBe, ":memory:", version);
      return asItShouldBe.prepare(TABLES).all()
        .filter(({ name, columns }) => tables.get(String(name)) !== columns)
        .map(({ name }) => `table ${name} is not as it should be`);
    } finally {
      asItShouldBe.close();
    }
  }

  /** Whether each row is one that the daemon can have written. */
  #values(): string[] {
    const tables = this.#tables();
    return ["vms", "plugins"].filter((name) => tables.has(name))
      .flatMap((table) =>
        this.#query(`SELECT * FROM ${table}`).map((row) => ({
          name: row["name"],
          columns: damagedColumns(table, row),
          table,
        }))
      )
      .filter(({ columns }) => columns.length > 0)
      .map(({ table, name, columns }) =>
        `${table} "${name}": damaged ${columns.join(", ")}`
      );
  }

  #tables(): ReadonlyMap<string, string> {
    return new Map(
      this.#query(TABLES).map((
        { name, columns },
      ) => [String(name), String(columns)]),
    );
  }

  #query(sql: string): Row[] {
    try {
      return this.#database.prepare(sql).all();
    } catch (error) {
      const { errcode } = error as { errcode?: number };
      if (BUSY_CODES.includes((errcode ?? 0) & 0xff)) throw busy(this.#path);
      throw error;
    }
  }

  #number(sql: string): number {
    let value = 0;
    this.#tolerate(() => {
      const row = this.#database.prepare(sql).get();
      const first = Number(Object.values(row ?? {})[0]);
      if (Number.isSafeInteger(first) && first > 0) value = first;
    });
    return value;
  }

  /** What cannot be read is not there; why, `examine` has told. */
  #tolerate(job: () => void): void {
    try {
      job();
    } catch {
      // A page that is damaged: the caller goes on with the rest.
    }
  }
}

const TABLES =
  `SELECT t.name AS name, group_concat(c.name || ' ' || c.type) AS columns
   FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
   WHERE t.type = 'table' GROUP BY t.name ORDER BY t.name`;

function busy(path: string): Fault {
  return new Fault(
    "state-locked",
    `Cannot open database "${path}": another program has locked it`,
    { hint: "Close that program (such as sqlite3) and start the daemon again" },
  );
}
