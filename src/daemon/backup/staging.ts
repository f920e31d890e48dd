/**
 * Where a backup puts what must not change while it is read: a folder of the
 * state directory, on the same file system, so that a copy can share its blocks
 * and a link costs nothing. It is gone when the backup ends; what a daemon that
 * was killed left there, the next one removes.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { execute, run } from "../../lib/exec.ts";
import { Fault } from "../../lib/fault.ts";
import {
  isThere,
  makeDir,
  removeIfThere,
  storageFault,
} from "../../lib/files.ts";

/** What is left free: the database is on the same disk, and guests' disks. */
const FREE_BYTES_MIN = 64 * 1024 ** 2;
const BLOCK_BYTES = 512;

export function stagingPath(stateDir: string): string {
  return `${stateDir}/backup.staging`;
}

/** Removes what a backup left that was broken off by the daemon's end. */
export async function clearStaging(stateDir: string): Promise<void> {
  await removeIfThere(stagingPath(stateDir));
}

export class Staging implements AsyncDisposable {
  readonly path: string;
  /** Copies take no room until one of the two files changes. */
  readonly #sharesBlocks: boolean;

  private constructor(path: string, sharesBlocks: boolean) {
    this.path = path;
    this.#sharesBlocks = sharesBlocks;
  }

  static async make(stateDir: string): Promise<Staging> {
    const path = stagingPath(stateDir);
    await removeIfThere(path);
    await makeDir(path);
    return new Staging(path, await canShareBlocks(path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeIfThere(this.path);
  }

  /** Throws `disk-full` unless there is room for a copy of these folders' largest. */
  async checkRoom(folders: readonly string[], what: string): Promise<void> {
    if (this.#sharesBlocks) return;
    const sizes = await Promise.all(folders.map(allocatedBytes));
    const needed = Math.max(0, ...sizes);
    const { bavail, bsize } = await statfs(this.path);
    const free = Math.max(0, bavail * bsize - FREE_BYTES_MIN);
    if (needed <= free) return;
    throw new Fault(
      "disk-full",
      `Cannot back up ${what}: a copy of its disks takes ${
        mib(needed)
      } for a while, and ${mib(free)} are free`,
      { hint: "Make room in the state directory and try again" },
    );
  }

  /**
   * Blocks are shared only once they are on the disk: what is written out now
   * is not waited for while a machine stands still.
   */
  async prepare(sources: readonly string[]): Promise<void> {
    if (!this.#sharesBlocks) return;
    for (const path of sources) {
      using file = await Deno.open(path);
      await file.syncData();
    }
  }

  /**
   * Copies files into the folder `name` here, sparse, with their owners and
   * modes. Throws `disk-full`; what was copied by then stays.
   */
  async copy(
    sources: readonly string[],
    name: string,
    signal: AbortSignal,
  ): Promise<void> {
    if (sources.length === 0) return;
    const target = `${this.path}/${name}`;
    const options = ["-a", "--reflink=auto", "--sparse=always"];
    try {
      await run("cp", [...options, "-t", target, "--", ...sources], {
        signal,
        fault: "disk-failed",
      });
    } catch (error) {
      throw copyFault(error, target);
    }
  }

  async makeFolder(name: string, like: string): Promise<void> {
    const path = `${this.path}/${name}`;
    const { mode, uid, gid } = await Deno.stat(like);
    await removeIfThere(path);
    await makeDir(path);
    if (Deno.uid() === 0) await Deno.chown(path, uid ?? 0, gid ?? 0);
    await Deno.chmod(path, (mode ?? 0o700) & 0o7777);
  }

  async remove(name: string): Promise<void> {
    await removeIfThere(`${this.path}/${name}`);
  }
}

/** Bytes that the files below a folder take on the disk. */
export async function allocatedBytes(folder: string): Promise<number> {
  let total = 0;
  if (!await isThere(folder)) return 0;
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) total += await allocatedBytes(path);
    else {
      const info = await Deno.lstat(path).catch(() => undefined);
      // A log may have been rotated away since it was listed.
      total += (info?.blocks ?? 0) * BLOCK_BYTES;
    }
  }
  return total;
}

async function canShareBlocks(folder: string): Promise<boolean> {
  const [from, to] = [`${folder}/probe`, `${folder}/probe.copy`];
  await Deno.writeTextFile(from, "probe");
  const { status } = await execute("cp", ["--reflink=always", from, to]);
  await removeIfThere(from);
  await removeIfThere(to);
  return status === 0;
}

/** What `cp` said of a full disk, as the fault it is. */
function copyFault(error: unknown, target: string): unknown {
  const isFull = error instanceof Fault &&
    /No space left on device|Disk quota exceeded/.test(error.message);
  return isFull
    ? storageFault(new Error("ENOSPC", { cause: error }), "write", target)
    : error;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`;
}
