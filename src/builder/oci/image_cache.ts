/**
 * Images that were converted, by digest: a folder for each, which appears by a
 * rename when all in it is on the disk. Who converts an image holds its lock, so
 * that two who want it do the work once; a lock dies with its holder, and what
 * that left unfinished is removed by the next conversion of any image.
 *
 *   images/HEX/{rootfs.erofs,image.json}
 *   images/.incoming/HEX/   being made
 *   images/.locks/HEX
 *
 * @module
 */

import {
  makeDir,
  readTextIfThere,
  removeIfThere,
  storageFault,
} from "../../lib/files.ts";
import { waitForLock } from "./cache_lock.ts";

export class ImageCache {
  readonly #folder: string;

  /** `cacheDir` is absolute. */
  constructor(cacheDir: string) {
    this.#folder = `${cacheDir}/images`;
  }

  /** Where an image lies, or will. */
  folder(digest: string): string {
    return `${this.#folder}/${folderName(digest)}`;
  }

  /** A text of an image; undefined if it is not there. */
  async read(digest: string, name: string): Promise<string | undefined> {
    return await readTextIfThere(`${this.folder(digest)}/${name}`);
  }

  /** Notes that an image is used now: the time of change of its file `name`. */
  async touch(digest: string, name: string): Promise<void> {
    const now = new Date();
    await Deno.utime(`${this.folder(digest)}/${name}`, now, now).catch(() => {
      // In a cache of somebody else's: when it was used is for people only.
    });
  }

  /** Digests of the images that are there. */
  async *list(): AsyncGenerator<string> {
    try {
      for await (const { name } of Deno.readDir(this.#folder)) {
        if (!name.startsWith(".")) yield digestOf(name);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Waits until nobody else converts the image; `onWait` tells that it has to. */
  async lock(
    digest: string,
    signal: AbortSignal,
    onWait: () => void,
  ): Promise<Disposable> {
    await makeDir(`${this.#folder}/.locks`);
    const file = await this.#openLock(folderName(digest));
    try {
      await waitForLock(file, { exclusive: true, signal, onWait });
    } catch (error) {
      file.close();
      throw error;
    }
    return { [Symbol.dispose]: () => file.close() };
  }

  /** Has `fill` put files into a new folder, and gives it its place; under the lock. */
  async store(
    digest: string,
    fill: (folder: string) => Promise<void>,
  ): Promise<void> {
    const incoming = `${this.#folder}/.incoming/${folderName(digest)}`;
    await this.removeLeft(digest);
    await makeDir(incoming);
    try {
      await fill(incoming);
      await syncFolder(incoming);
      // What has this place is of another version, or not whole.
      await removeIfThere(this.folder(digest));
      await Deno.rename(incoming, this.folder(digest));
      await syncFolder(this.#folder);
    } catch (error) {
      await removeIfThere(incoming);
      throw storageFault(error, "write", incoming);
    }
  }

  /** Removes an image that is there; under its lock. */
  async remove(digest: string): Promise<void> {
    const folder = this.folder(digest);
    try {
      await removeIfThere(folder);
      await syncFolder(this.#folder);
    } catch (error) {
      throw storageFault(error, "remove", folder);
    }
  }

  /**
   * Removes what killed conversions left: those whose lock nobody holds, and
   * that of `own`, whose lock the caller holds.
   */
  async removeLeft(own?: string): Promise<void> {
    const incoming = `${this.#folder}/.incoming`;
    await makeDir(incoming);
    if (own !== undefined) {
      await removeIfThere(`${incoming}/${folderName(own)}`);
    }
    for await (const { name } of Deno.readDir(incoming)) {
      using lock = await this.#openLock(name);
      if (await lock.tryLock(true)) await removeIfThere(`${incoming}/${name}`);
    }
  }

  async #openLock(name: string): Promise<Deno.FsFile> {
    const path = `${this.#folder}/.locks/${name}`;
    try {
      return await Deno.open(path, { write: true, create: true, mode: 0o600 });
    } catch (error) {
      throw storageFault(error, "open", path);
    }
  }
}

function folderName(digest: string): string {
  return digest.replace(/^sha256:/, "").replace(":", "-");
}

function digestOf(folderName: string): string {
  return folderName.includes("-")
    ? folderName.replace("-", ":")
    : `sha256:${folderName}`;
}

/** The cache's folder, wherever this process may go. */
export function absoluteCache(cacheDir: string): string {
  return cacheDir.startsWith("/") ? cacheDir : `${Deno.cwd()}/${cacheDir}`;
}

async function syncFolder(folder: string): Promise<void> {
  using file = await Deno.open(folder);
  await file.sync();
}
