/**
 * Puts a backup where a daemon finds it: unpacked beside the state directory
 * and checked, then put in its place in one step. Whatever happens before
 * leaves the place as it was; what a restore that was killed has left is
 * removed by the next one.
 *
 * @module
 */

import { ArchiveProblem, damaged } from "../archive/problem.ts";
import { Fault } from "../lib/fault.ts";
import {
  dirname,
  isThere,
  makeDir,
  removeIfThere,
  storageFault,
  syncDir,
  writeAll,
} from "../lib/files.ts";
import { lockFile } from "../lib/lock.ts";
import { readState } from "./database.ts";
import { DATABASE_NAME, HEADER_NAME } from "./format.ts";
import { type BackupEntry, readBackup } from "./reader.ts";
import { type BackupReport, checkedReport } from "./verify.ts";

const LOCK_NAME = "lock";

export interface RestoreOptions {
  readonly stateDir: string;
  /** Whether files get the owners they had; needs the right to. */
  readonly keepsOwners: boolean;
  readonly onEntry?: (path: string) => void;
}

/** Throws an `ArchiveProblem` for a backup that is not good. */
export async function restoreBackup(
  chunks: AsyncIterable<Uint8Array>,
  { stateDir, keepsOwners, onEntry }: RestoreOptions,
): Promise<BackupReport> {
  await checkFree(stateDir);
  const aside = `${stateDir}.restoring`;
  // VMMs that run as users of their own pass through.
  await makeDir(aside, keepsOwners ? 0o711 : 0o700);
  // The daemon's own lock, in its place: it moves along, so that no daemon can
  // start there before this process has ended its work.
  using _lock = await lockRestore(aside);
  try {
    await clear(aside);
    const unpacker = new Unpacker(aside, keepsOwners);
    const backup = await readBackup(chunks, async (entry) => {
      onEntry?.(entry.path);
      if (entry.path !== HEADER_NAME) await unpacker.take(entry);
    });
    const path = `${aside}/${DATABASE_NAME}`;
    if (!await isThere(path)) throw damaged("it has no database");
    const report = checkedReport(backup, readState(path));
    await unpacker.finish();
    await checkFree(stateDir);
    await Deno.rename(aside, stateDir);
    await syncDir(dirname(stateDir));
    return report;
  } catch (error) {
    await removeIfThere(aside);
    throw restoreFault(error, stateDir);
  }
}

/** Fails unless there is nothing at `stateDir`, or an empty folder. */
async function checkFree(stateDir: string): Promise<void> {
  let names: string[];
  try {
    names = [...Deno.readDirSync(stateDir)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw storageFault(error, "restore into", stateDir);
  }
  if (names.length === 0) return;
  // A daemon that runs there is told by its pid.
  if (names.includes(LOCK_NAME)) {
    (await lockFile(`${stateDir}/${LOCK_NAME}`))[Symbol.dispose]();
  }
  throw notEmpty(stateDir);
}

function notEmpty(stateDir: string): Fault {
  return new Fault(
    "already-exists",
    `Cannot restore into "${stateDir}": it is not empty`,
    {
      hint:
        `Move it aside (mv "${stateDir}" "${stateDir}.old"), or name another folder with --state-dir`,
    },
  );
}

async function lockRestore(aside: string): Promise<Disposable> {
  try {
    return await lockFile(`${aside}/${LOCK_NAME}`);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "state-locked") throw error;
    throw new Fault(
      "state-locked",
      `Cannot restore into "${aside}": another restore does`,
      { cause: error, hint: "Wait for its end" },
    );
  }
}

/** What an earlier restore left there, all but the lock. */
async function clear(folder: string): Promise<void> {
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (name !== LOCK_NAME) await removeIfThere(`${folder}/${name}`);
  }
}

function restoreFault(error: unknown, stateDir: string): unknown {
  if (error instanceof Fault || error instanceof ArchiveProblem) return error;
  const text = error instanceof Error ? error.message : String(error);
  // Somebody else was there first.
  if (/os error 39\b/.test(text)) return notEmpty(stateDir);
  if (/os error 16\b/.test(text)) {
    return new Fault(
      "invalid-input",
      `Cannot restore into "${stateDir}": it is a mount point`,
      {
        cause: error,
        hint: "Name a folder below it, and set VOLANT_STATE_DIR to that",
      },
    );
  }
  return storageFault(error, "restore into", stateDir);
}

class Unpacker {
  readonly #target: string;
  readonly #keepsOwners: boolean;
  readonly #folders: BackupEntry[] = [];

  constructor(target: string, keepsOwners: boolean) {
    this.#target = target;
    this.#keepsOwners = keepsOwners;
  }

  async take(entry: BackupEntry): Promise<void> {
    const path = `${this.#target}/${entry.path}`;
    try {
      if (entry.kind === "directory") {
        await Deno.mkdir(path, { mode: 0o700 });
        this.#folders.push(entry);
      } else await this.#file(path, entry);
    } catch (error) {
      const isMisplaced = error instanceof Deno.errors.NotFound ||
        error instanceof Deno.errors.NotADirectory;
      if (isMisplaced) throw damaged("a file in it has no folder", error);
      throw error;
    }
  }

  /** Folders are as they were once nothing is put into them any more. */
  async finish(): Promise<void> {
    for (const entry of this.#folders.toReversed()) {
      const path = `${this.#target}/${entry.path}`;
      await this.#own(path, entry);
      await syncDir(path);
    }
    await syncDir(this.#target);
  }

  async #file(path: string, entry: BackupEntry): Promise<void> {
    {
      using file = await Deno.open(path, {
        write: true,
        createNew: true,
        mode: 0o600,
      });
      if (entry.parts === undefined) {
        for await (const chunk of entry.stored()) await writeAll(file, chunk);
      } else await writeParts(file, entry);
      await file.sync();
    }
    await this.#own(path, entry);
    await Deno.utime(path, entry.mtime, entry.mtime);
  }

  async #own(path: string, { uid, gid, mode }: BackupEntry): Promise<void> {
    if (this.#keepsOwners) await Deno.chown(path, uid, gid);
    // No file of Volant's is run by its mode, least of all as its owner.
    await Deno.chmod(path, mode & 0o777);
  }
}

/** Each part where it was; what lies between is never written. */
async function writeParts(
  file: Deno.FsFile,
  { parts = [], size, stored }: BackupEntry,
): Promise<void> {
  await file.truncate(size);
  const rest = parts.values();
  let left = 0;
  for await (const chunk of stored()) {
    for (let done = 0; done < chunk.length;) {
      if (left === 0) {
        const { value: part } = rest.next();
        if (part === undefined) throw new Error("more bytes than parts");
        await file.seek(part.offset, Deno.SeekMode.Start);
        left = part.length;
      }
      const piece = chunk.subarray(done, done + left);
      await writeAll(file, piece);
      done += piece.length;
      left -= piece.length;
    }
  }
}
