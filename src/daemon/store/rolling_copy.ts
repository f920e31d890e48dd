/**
 * Keeps a copy of the database, for the day the database is damaged.
 *
 * It is made a few seconds after a change, and at a clean stop. A copy of
 * something damaged is never kept: SQLite reads every page to make one, and the
 * new one is checked before it takes the place of the last.
 *
 * @module
 */

import { dirname, removeIfThere, syncDir } from "../../lib/files.ts";
import type { Logger } from "../../lib/log.ts";
import { DamagedDatabase } from "./damaged_database.ts";
import type { Database } from "./database.ts";
import { unfinished } from "./store_files.ts";

/** Between two looks whether anything changed. */
const LOOK_MS = 5000;
/** At most this part of one CPU's time goes into copies. */
const SHARE_MAX = 1 / 500;

export class RollingCopy implements AsyncDisposable {
  readonly #database: Database;
  readonly #path: string;
  readonly #log: Logger;
  readonly #timer: ReturnType<typeof setInterval>;
  /** Number of changes the copy holds; 0 if there is none yet. */
  #changes: number;
  #notBefore = 0;
  #isFailing = false;
  #making: Promise<void> = Promise.resolve();

  /** Looks every few seconds from now on. */
  constructor(
    database: Database,
    { path, log }: { readonly path: string; readonly log: Logger },
  ) {
    this.#database = database;
    this.#path = path;
    this.#log = log;
    this.#changes = changesIn(path);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** The last copy, if anything changed since. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#making;
    this.#notBefore = 0;
    this.#look();
    await this.#making;
  }

  #look(): void {
    this.#settle();
    if (performance.now() < this.#notBefore) return;
    const start = performance.now();
    this.#making = this.#update().then(() => {
      this.#isFailing = false;
    }, (error: unknown) => {
      // A full disk, say; what the last copy holds is still good.
      if (!this.#isFailing) {
        this.#log.error("Cannot copy the database: {error}", { error });
      }
      this.#isFailing = true;
    }).finally(() => {
      const took = performance.now() - start;
      this.#notBefore = performance.now() + took / SHARE_MAX;
    });
  }

  #settle(): void {
    try {
      this.#database.settle();
    } catch {
      // The disk fails still, as whoever writes is told: at the next look again.
    }
  }

  async #update(): Promise<void> {
    const row = this.#database.prepare("SELECT count FROM changes").get();
    const changes = Number(row?.["count"]);
    if (changes === this.#changes) return;
    const path = unfinished(this.#path);
    try {
      await removeIfThere(path);
      this.#database.copyInto(path);
      checkCopy(path);
      using file = await Deno.open(path, { write: true });
      await file.sync();
      await Deno.rename(path, this.#path);
      await syncDir(dirname(path));
    } catch (error) {
      await removeIfThere(path);
      throw error;
    }
    this.#changes = changes;
  }
}

function checkCopy(path: string): void {
  using copy = new DamagedDatabase(path);
  const [wrong] = copy.examine();
  if (wrong !== undefined) throw new Error(`The copy is damaged: ${wrong}`);
}

/** 0 if there is no copy, or none that is good. */
function changesIn(path: string): number {
  try {
    using copy = new DamagedDatabase(path);
    return copy.examine().length === 0 ? copy.changes : 0;
  } catch {
    // Not there, most likely; one is made then.
    return 0;
  }
}
