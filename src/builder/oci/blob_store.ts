/**
 * The blobs of pulled images by digest, as an OCI layout has them. A blob appears
 * by a rename when it is whole and on the disk. What is being fetched lies beside
 * them, locked by who fetches it, and is kept for the next try if that dies.
 *
 *   blobs/sha256/HEX
 *   blobs/.incoming/sha256-HEX
 *
 * @module
 */

import {
  makeDir,
  removeIfThere,
  storageFault,
  syncDir,
  writeAll,
} from "../../lib/files.ts";
import { waitForLock } from "./cache_lock.ts";
import { type FileBytes, folderFiles } from "./image_files.ts";
import type { Descriptor } from "./image_schema.ts";
import { isCheckable } from "./layer_stream.ts";

/** A blob that is this process's to fetch. */
export interface Claim extends Disposable {
  readonly file: Deno.FsFile;
  readonly path: string;
  /** Gives it its place; all of it has been written. */
  publish(): Promise<void>;
  /** Takes away what was written: it is not the blob. */
  discard(): Promise<void>;
}

export interface StoredBlob {
  readonly digest: string;
  readonly size: number;
  /** Only the beginning of it is there. */
  readonly isPartial: boolean;
}

export class BlobStore {
  readonly #folder: string;
  readonly #cacheDir: string;

  constructor(cacheDir: string) {
    this.#cacheDir = cacheDir;
    this.#folder = `${cacheDir}/blobs`;
  }

  /** A blob; undefined if it is not there, or has another size. */
  async find(
    { digest, size }: Pick<Descriptor, "digest" | "size">,
  ): Promise<FileBytes | undefined> {
    const file = await this.read(digest);
    return file?.size === size ? file : undefined;
  }

  /** A blob of whatever size. */
  async read(digest: string): Promise<FileBytes | undefined> {
    return await folderFiles(this.#cacheDir).find(
      `blobs/${digest.replace(":", "/")}`,
    );
  }

  /** Keeps bytes that were checked. */
  async put(digest: string, bytes: Uint8Array): Promise<void> {
    using claim = await this.claim(digest, {
      signal: new AbortController().signal,
      onWait: () => {},
    });
    if (claim === undefined) return;
    await claim.file.truncate(0);
    try {
      await writeAll(claim.file, bytes);
    } catch (error) {
      throw storageFault(error, "write", claim.path);
    }
    await claim.publish();
  }

  /**
   * Waits until nobody else fetches the blob; undefined if it is there by then.
   * The lock is on the file itself, so a name that leads elsewhere by the time
   * it is locked was published, or removed, by its holder.
   */
  async claim(
    digest: string,
    { signal, onWait }: {
      readonly signal: AbortSignal;
      readonly onWait: () => void;
    },
  ): Promise<Claim | undefined> {
    const path = `${this.#folder}/.incoming/${digest.replace(":", "-")}`;
    await makeDir(`${this.#folder}/.incoming`);
    for (;;) {
      signal.throwIfAborted();
      if (await this.read(digest) !== undefined) return undefined;
      const file = await openPartial(path);
      try {
        await waitForLock(file, { exclusive: true, signal, onWait });
        if (await isStill(path, file)) return this.#claimed(digest, path, file);
      } catch (error) {
        file.close();
        throw error;
      }
      file.close();
    }
  }

  async remove(digest: string): Promise<void> {
    const path = this.#path(digest);
    try {
      await removeIfThere(path);
    } catch (error) {
      throw storageFault(error, "remove", path);
    }
  }

  /** Removes what was begun, unless somebody is at it; whether it was removed. */
  async removePartial(digest: string): Promise<boolean> {
    const path = `${this.#folder}/.incoming/${digest.replace(":", "-")}`;
    using file = await openPartial(path);
    if (!await file.tryLock(true)) return false;
    await removeIfThere(path);
    return true;
  }

  async *list(): AsyncGenerator<StoredBlob> {
    for (const algorithm of ["sha256", "sha384", "sha512"]) {
      yield* sizesIn(`${this.#folder}/${algorithm}`, {
        digestOf: (name) => `${algorithm}:${name}`,
        isPartial: false,
      });
    }
    yield* sizesIn(`${this.#folder}/.incoming`, {
      digestOf: (name) => name.replace("-", ":"),
      isPartial: true,
    });
  }

  #path(digest: string): string {
    return `${this.#folder}/${digest.replace(":", "/")}`;
  }

  #claimed(digest: string, path: string, file: Deno.FsFile): Claim {
    const place = this.#path(digest);
    const folder = place.slice(0, place.lastIndexOf("/"));
    return {
      file,
      path,
      publish: async () => {
        try {
          await file.sync();
          await makeDir(folder);
          await Deno.rename(path, place);
          await syncDir(folder);
        } catch (error) {
          throw storageFault(error, "write", place);
        }
      },
      discard: () => removeIfThere(path),
      [Symbol.dispose]: () => file.close(),
    };
  }
}

async function openPartial(path: string): Promise<Deno.FsFile> {
  const how = { read: true, write: true, create: true, mode: 0o644 };
  try {
    return await Deno.open(path, how);
  } catch (error) {
    throw storageFault(error, "open", path);
  }
}

async function isStill(path: string, file: Deno.FsFile): Promise<boolean> {
  try {
    return (await Deno.stat(path)).ino === (await file.stat()).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function* sizesIn(
  folder: string,
  { digestOf, isPartial }: {
    readonly digestOf: (name: string) => string;
    readonly isPartial: boolean;
  },
): AsyncGenerator<StoredBlob> {
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const digest = digestOf(name);
      if (!isCheckable(digest)) continue;
      const { size } = await Deno.stat(`${folder}/${name}`);
      yield { digest, size, isPartial };
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
