/**
 * The rows of plugins: SQL in, records out.
 *
 * @module
 */

import { storageFault } from "../../lib/files.ts";
import type { Plugin } from "../plugins/plugin.ts";
import type { Database, Row } from "./database.ts";

export type NewPlugin = Pick<
  Plugin,
  "name" | "version" | "enabled" | "manifest" | "artifacts"
>;

export class PluginStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Writes it in the place of the one of its name, if there is one. */
  put({ name, version, enabled, manifest, artifacts }: NewPlugin): void {
    const now = new Date().toISOString();
    this.#write(
      `INSERT INTO plugins (name, version, enabled, manifest, artifacts, installed_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET
         version = excluded.version, enabled = excluded.enabled,
         manifest = excluded.manifest, artifacts = excluded.artifacts,
         updated_at = excluded.updated_at`,
      name,
      version,
      Number(enabled),
      JSON.stringify(manifest),
      JSON.stringify(artifacts),
      now,
      now,
    );
  }

  /** Throws `disk-failed` if nothing can be written, as the file is gone. */
  checkThere(): void {
    this.#database.checkThere();
  }

  find(name: string): Plugin | undefined {
    const row = this.#database.prepare("SELECT * FROM plugins WHERE name = ?")
      .get(name);
    return row === undefined ? undefined : record(row);
  }

  /** By name. */
  list(): Plugin[] {
    return this.#database.prepare("SELECT * FROM plugins ORDER BY name").all()
      .map(record);
  }

  setEnabled(name: string, enabled: boolean): void {
    this.#write(
      "UPDATE plugins SET enabled = ?, updated_at = ? WHERE name = ?",
      Number(enabled),
      new Date().toISOString(),
      name,
    );
  }

  delete(name: string): void {
    this.#write("DELETE FROM plugins WHERE name = ?", name);
  }

  /** Whether any plugin's manifest names the artifact of that digest. */
  usesArtifact(digest: string): boolean {
    return this.#database.prepare(
      `SELECT 1 FROM plugins, json_each(plugins.artifacts) AS artifact
       WHERE artifact.value = ?`,
    ).get(digest) !== undefined;
  }

  #write(sql: string, ...values: (string | number)[]): void {
    try {
      this.#database.prepare(sql).run(...values);
    } catch (error) {
      throw storageFault(
        error,
        "write",
        this.#database.location() ?? "database",
      );
    }
  }
}

/** The column says whether it is enabled; the manifest is made to agree. */
function record(row: Row): Plugin {
  const enabled = row["enabled"] === 1;
  return {
    name: String(row["name"]),
    version: String(row["version"]),
    enabled,
    manifest: { ...JSON.parse(String(row["manifest"])), enabled },
    artifacts: JSON.parse(String(row["artifacts"])),
    installedAt: String(row["installed_at"]),
    updatedAt: String(row["updated_at"]),
  };
}
