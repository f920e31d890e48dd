/**
 * Rows put into a table as they were found: of its columns, those they have.
 *
 * @module
 */

import type { Database, Row } from "./database.ts";

const NAME_MAX = 63;

export function insertRow(database: Database, table: string, row: Row): void {
  const columns = database.prepare(`PRAGMA table_info(${table})`).all()
    .map(({ name }) => String(name))
    .filter((name) => row[name] !== undefined);
  const places = columns.map(() => "?").join(", ");
  database.prepare(
    `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${places})`,
  ).run(...columns.map((name) => row[name] ?? null));
}

/**
 * A VM with the address it holds. If a newer one has its name by now, it gets
 * another: it is there, with all it wrote, and can be told apart.
 */
export function insertVm(database: Database, row: Row): void {
  const taken = database.prepare("SELECT 1 FROM vms WHERE name = ?")
    .get(String(row["name"])) !== undefined;
  const end = `-${row["id"]}`;
  const name = String(row["name"]);
  insertRow(database, "vms", {
    ...row,
    ...(taken && { name: `${name.slice(0, NAME_MAX - end.length)}${end}` }),
  });
  const lease = JSON.parse(String(row["lease"]));
  // Addresses of the other modes are the same in every VM.
  if (lease.mode !== "bridged") return;
  database.prepare(
    "INSERT OR IGNORE INTO leases (address, vm_id) VALUES (?, ?)",
  )
    .run(String(lease.ip), Number(row["id"]));
}
