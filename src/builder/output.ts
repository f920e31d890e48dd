/**
 * An output file that is there whole or not at all: written beside its place
 * under a name of its own, then moved. Counts and hashes what passes.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fault } from "../lib/fault.ts";
import { removeIfThere, storageFault, writeAll } from "../lib/files.ts";
import { type Digest, digest } from "../manifest/values.ts";

export interface Written {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** A file in the making; disposing of it before `publish` removes it. */
export class OutputFile implements AsyncDisposable {
  readonly path: string;
  readonly #file: Deno.FsFile;
  readonly #temporary: string;
  #isPublished = false;

  private constructor(path: string, temporary: string, file: Deno.FsFile) {
    this.path = path;
    this.#temporary = temporary;
    this.#file = file;
  }

  /** Opens it; one build at a time writes to a path. */
  static async create(path: string): Promise<OutputFile> {
    const temporary = `${path}.partial`;
    const file = await openOutput(temporary, path);
    try {
      // A lock dies with its holder, so what a killed build left is taken over.
      const isOurs = await file.tryLock(true) &&
        await isSameFile(file, temporary);
      if (!isOurs) throw inUse(path);
      await file.truncate(0);
      return new OutputFile(path, temporary, file);
    } catch (error) {
      file.close();
      throw error instanceof Deno.errors.NotFound ? inUse(path) : error;
    }
  }

  /** Writes all of it, to the disk. */
  async write(
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<Written> {
    const hash = createHash("sha256");
    let sizeBytes = 0;
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      hash.update(chunk);
      sizeBytes += chunk.length;
      await this.#storing(() => writeAll(this.#file, chunk));
    }
    await this.#storing(() => this.#file.sync());
    signal.throwIfAborted();
    return { digest: digest(hash.digest("hex")), sizeBytes };
  }

  /** Moves it to its place, over what was there. */
  async publish(): Promise<void> {
    await this.#storing(() => Deno.rename(this.#temporary, this.path));
    this.#isPublished = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Removed before the lock goes with the descriptor, or another build's would be.
    if (!this.#isPublished) await removeIfThere(this.#temporary);
    this.#file.close();
  }

  async #storing(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      throw storageFault(error, "write", this.path);
    }
  }
}

/** Whether the open file is what `path` names, and not where a link leads. */
async function isSameFile(file: Deno.FsFile, path: string): Promise<boolean> {
  const [open, named] = await Promise.all([file.stat(), Deno.lstat(path)]);
  return open.ino === named.ino && open.dev === named.dev;
}

async function openOutput(
  temporary: string,
  path: string,
): Promise<Deno.FsFile> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info !== undefined && !info.isFile) {
    throw new Fault(
      "invalid-input",
      `Cannot write "${path}": something other than a file is there`,
      { hint: "Name another output with -o" },
    );
  }
  try {
    return await Deno.open(temporary, {
      read: true,
      write: true,
      create: true,
      mode: 0o644,
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Fault(
        "file-not-found",
        `Cannot write "${path}": its folder does not exist`,
        { cause: error, hint: "Make the folder, or name another output" },
      );
    }
    throw storageFault(error, "write", path);
  }
}

function inUse(path: string): Fault {
  return new Fault(
    "build-failed",
    `Cannot write "${path}": another build is writing it`,
    { hint: "Wait for it, or name another output with -o" },
  );
}
