/**
 * A copy of the database as it is at one moment, made to be carried elsewhere:
 * in it no machine is believed to run here.
 *
 * @module
 */

import { Database } from "./database.ts";

/** Stands in the place of a boot id: the machine was left behind with its host. */
export const RESTORED_BOOT_ID = "restored";

export class Snapshot implements Disposable {
  readonly path: string;
  readonly #copy: Database;

  /** Copies `database` to `path`, without a pause in between. */
  constructor(database: Database, path: string) {
    this.path = path;
    Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
    database.prepare("VACUUM INTO ?").run(path);
    this.#copy = new Database(path);
    // One file, which is whole whenever no transaction is open.
    this.#copy.exec("PRAGMA journal_mode = DELETE");
    this.#copy.exec("PRAGMA foreign_keys = ON");
    this.#copy.exec(
      `DELETE FROM vms WHERE deleting = 1;
       UPDATE vms SET boot_id = '${RESTORED_BOOT_ID}' WHERE boot_id <> ''`,
    );
  }

  get schema(): number {
    const row = this.#copy.prepare("PRAGMA user_version").get();
    return Number(row?.["user_version"]);
  }

  vms(): { readonly id: number; readonly name: string }[] {
    return this.#copy.prepare("SELECT id, name FROM vms ORDER BY id").all()
      .map(({ id, name }) => ({ id: Number(id), name: String(name) }));
  }

  /** Digests that its VMs and plugins name. */
  artifacts(): string[] {
    return this.#copy.prepare(
      `SELECT each.value AS digest FROM vms, json_each(vms.artifacts) AS each
       UNION SELECT each.value FROM plugins, json_each(plugins.artifacts) AS each
       ORDER BY 1`,
    ).all().map(({ digest }) => String(digest));
  }

  /** Leaves a VM out that is not there any more. */
  drop(id: number): void {
    this.#copy.prepare("DELETE FROM vms WHERE id = ?").run(id);
  }

  [Symbol.dispose](): void {
    this.#copy.close();
  }
}
