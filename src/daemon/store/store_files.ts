/**
 * The files of the database, and what happens to them when it is replaced.
 *
 *     volant.db, -wal, -shm   the database
 *     volant.db.copy          a copy of a while ago
 *     volant.db.salvaged      a whole new database that is to replace it
 *     volant.db.damaged-TIME  what was replaced, with its -wal and -shm
 *
 * @module
 */

import { probeOf } from "./database_fault.ts";
import { dirname, isThere, removeIfThere, syncDir } from "../../lib/files.ts";
import { step } from "../../lib/step.ts";

export interface StoreFiles {
  readonly database: string;
  readonly copy: string;
  readonly salvaged: string;
}

export function storeFiles(stateDir: string): StoreFiles {
  const database = `${stateDir}/volant.db`;
  return {
    database,
    copy: `${database}.copy`,
    salvaged: `${database}.salvaged`,
  };
}

/** What is being written, until it is whole. */
export function unfinished(path: string): string {
  return `${path}.new`;
}

/**
 * Puts the salvaged database in the place of the other, which is moved aside.
 * May be broken off anywhere, and is then finished by the next daemon. Returns
 * where the old files are now.
 */
export async function replaceDatabase(
  { database, salvaged }: StoreFiles,
): Promise<string[]> {
  const prefix = await freePrefix(`${database}.damaged-`);
  const moved: string[] = [];
  // The -wal first: SQLite would apply it to whatever lies beside it.
  for (const end of ["-wal", "-shm", ""]) {
    if (!await isThere(`${database}${end}`)) continue;
    const aside = `${prefix}${end}`;
    await Deno.rename(`${database}${end}`, aside);
    moved.push(aside);
  }
  await syncDir(dirname(database));
  step("salvage:moved-aside");
  await Deno.rename(salvaged, database);
  await syncDir(dirname(database));
  return moved;
}

/** The prefix and the time; a clock that was set back must not name one twice. */
async function freePrefix(prefix: string): Promise<string> {
  for (let time = Date.now();; time++) {
    const word = new Date(time).toISOString().replace(/[:.]/g, "");
    const names = ["", "-wal", "-shm"].map((end) => `${prefix}${word}${end}`);
    const taken = await Promise.all(names.map(isThere));
    if (!taken.includes(true)) return `${prefix}${word}`;
  }
}

/** Finishes, or clears away, what an earlier daemon was killed in the middle of. */
export async function finishReplacing(files: StoreFiles): Promise<void> {
  await removeIfThere(probeOf(files.database));
  for (const path of [files.copy, files.salvaged]) {
    for (const end of ["-wal", "-shm", "-journal", ""]) {
      await removeIfThere(`${unfinished(path)}${end}`);
    }
  }
  if (await isThere(files.salvaged)) await replaceDatabase(files);
}
