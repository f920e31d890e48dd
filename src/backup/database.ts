/**
 * What the database in a backup says: the VMs and plugins, and which files they
 * need. It is only read.
 *
 * @module
 */

import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { ArchiveProblem, damaged } from "../archive/problem.ts";
import { DATABASE_SCHEMA } from "./format.ts";

export interface BackedUpVm {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  /** Digests of what it boots from. */
  readonly artifacts: readonly string[];
}

export interface BackedUpState {
  readonly schema: number;
  readonly vms: readonly BackedUpVm[];
  readonly plugins: readonly string[];
  /** Digests that VMs or plugins name, each once, sorted. */
  readonly artifacts: readonly string[];
}

/** Throws an `ArchiveProblem` for a database that cannot be used. */
export function readState(path: string): BackedUpState {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    return stateOf(database);
  } catch (error) {
    if (error instanceof ArchiveProblem) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw damaged(`its database cannot be read: ${text}`, error);
  } finally {
    database?.close();
  }
}

function stateOf(database: DatabaseSync): BackedUpState {
  const all = (sql: string) => database.prepare(sql).all();
  const verdict = all("PRAGMA integrity_check").map(first).join("; ");
  if (verdict !== "ok") {
    throw damaged(`its database is damaged: ${verdict.slice(0, 200)}`);
  }
  const schema = Number(first(all("PRAGMA user_version")[0] ?? {}));
  if (schema > DATABASE_SCHEMA) {
    throw new ArchiveProblem(
      "unknown",
      `its database has the schema ${schema}, and this program knows those up to ${DATABASE_SCHEMA}`,
    );
  }
  const vms = all("SELECT id, name, status, artifacts FROM vms ORDER BY name")
    .map((row) => ({
      id: Number(row["id"]),
      name: String(row["name"]),
      status: String(row["status"]),
      artifacts: digests(row),
    }));
  const plugins = all("SELECT name, artifacts FROM plugins ORDER BY name");
  const used = [
    ...vms.flatMap(({ artifacts }) => artifacts),
    ...plugins.flatMap(digests),
  ];
  return {
    schema,
    vms,
    plugins: plugins.map(({ name }) => String(name)),
    artifacts: [...new Set(used)].sort(),
  };
}

function digests(row: Record<string, SQLOutputValue>): string[] {
  return Object.values(JSON.parse(String(row["artifacts"]))).map(String);
}

function first(row: Record<string, SQLOutputValue>): string {
  return String(Object.values(row)[0]);
}
