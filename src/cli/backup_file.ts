/**
 * The files that backups are written to and read from.
 *
 * A backup gets its name once it is whole: what was broken off before is
 * removed, or, after a kill, lies beside under another name.
 *
 * @module
 */

import { plainBytes, type Sink } from "../backup/plain.ts";
import { Fault } from "../lib/fault.ts";
import {
  dirname,
  openRegularFile,
  removeIfThere,
  storageFault,
  syncDir,
  writeAll,
} from "../lib/files.ts";

/** Stands for standard output, or input. */
export const STANDARD = "-";

/** A backup that is being written; disposing of it leaves nothing, unless it was kept. */
export class BackupFile implements Sink, AsyncDisposable {
  readonly #path: string;
  readonly #aside: string;
  readonly #file: Deno.FsFile;
  #size = 0;

  private constructor(path: string, aside: string, file: Deno.FsFile) {
    this.#path = path;
    this.#aside = aside;
    this.#file = file;
  }

  /** Throws `already-exists` unless `force` allows to replace a file. */
  static async create(path: string, force: boolean): Promise<BackupFile> {
    await checkTarget(path, force);
    const aside = `${path}.${Deno.pid}.new`;
    try {
      const file = await Deno.open(aside, {
        write: true,
        createNew: true,
        // Environments of workloads, with what is secret in them, are in it.
        mode: 0o600,
      });
      return new BackupFile(path, aside, file);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        throw new Fault(
          "file-not-found",
          `Cannot write backup "${path}": its folder is not there`,
          { cause: error, hint: "Make the folder first" },
        );
      }
      throw storageFault(error, "write backup", path);
    }
  }

  get size(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#file, chunk);
      this.#size += chunk.length;
    } catch (error) {
      throw storageFault(error, "write backup", this.#path);
    }
  }

  /** Gives it its name. */
  async end(): Promise<void> {
    try {
      await this.#file.sync();
      await Deno.rename(this.#aside, this.#path);
      await syncDir(dirname(this.#path));
    } catch (error) {
      throw storageFault(error, "write backup", this.#path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
    await removeIfThere(this.#aside);
  }
}

async function checkTarget(path: string, force: boolean): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw storageFault(error, "write backup", path);
  }
  if (!info.isFile) {
    throw new Fault(
      "invalid-input",
      `Cannot write backup "${path}": it is no regular file`,
      { hint: "Name a new file, or write to standard output with -" },
    );
  }
  if (force) return;
  throw new Fault(
    "already-exists",
    `Cannot write backup "${path}": it exists`,
    {
      hint: "Name another file, or replace it with --force",
    },
  );
}

/** The archive in a backup's file, or standard input's; ends with `signal`. */
export async function* readBackupFile(
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stream = path === STANDARD
    ? Deno.stdin.readable
    : (await openRegularFile(path, {
      what: "backup",
      hint: "Name a file that volant backup create has written",
    })).readable;
  for await (const chunk of plainBytes(stream)) {
    signal.throwIfAborted();
    yield chunk;
  }
}
