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

/** How long to wait before asking for a lock again. */
const LOCK_POLL_MS = 100;

export class ImageCache {
  readonly #folder: string;

  constructor(cacheDir: string) {
    const absolute = cacheDir.startsWith("/")
      ? cacheDir
      : `${Deno.cwd()}/${cacheDir}`;
    this.#folder = `${absolute}/images`;
  }

  /** Where an image lies, or will. */
  folder(digest: string): string {
    return `${this.#folder}/${folderName(digest)}`;
  }

  /** A text of an image; undefined if it is not there. */
  async read(digest: string, name: string): Promise<string | undefined> {
    return await readTextIfThere(`${this.folder(digest)}/${name}`);
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
      for (let isFirst = true; !await file.tryLock(true); isFirst = false) {
        if (isFirst) onWait();
        await delay(LOCK_POLL_MS, signal);
      }
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
    await this.#removeLeft(digest);
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

  /** Removes what killed conversions left: those whose lock nobody holds. */
  async #removeLeft(own: string): Promise<void> {
    const incoming = `${this.#folder}/.incoming`;
    await makeDir(incoming);
    await removeIfThere(`${incoming}/${folderName(own)}`);
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

async function syncFolder(folder: string): Promise<void> {
  using file = await Deno.open(folder);
  await file.sync();
}

function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
  });
}
