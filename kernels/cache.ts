/**
 * The cache of built kernels: one folder for each hash of all that went into it.
 *
 * A folder appears by a rename once its files are on the disk, so it is whole or
 * it is not there, also after a loss of power. One lock
 * covers all builds of a user, because they share one work folder: its path is
 * always the same, so that objects compiled in it need not be compiled again
 * when they are unpacked there later. What a killed build left in it is removed
 * by the next.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fault } from "../src/lib/fault.ts";

/** How many of a kind are kept; those used longest ago go first. */
const KEPT_MAX = { generic: 6, volant: 6, tree: 2, source: 2 } as const;

export type CacheKind = keyof typeof KEPT_MAX;

export interface CacheEntry {
  readonly name: string;
  readonly usedMs: number;
}

/** The folder all kernels are cached in. */
export function cacheFolder(env: Readonly<Record<string, string>>): string {
  const own = env["VOLANT_CACHE"];
  if (own !== undefined && own !== "") return `${own}/kernels`;
  const cache = env["XDG_CACHE_HOME"];
  if (cache !== undefined && cache !== "") return `${cache}/volant/kernels`;
  const home = env["HOME"];
  if (home !== undefined && home !== "") {
    return `${home}/.cache/volant/kernels`;
  }
  throw new Fault("invalid-input", "Cannot find a cache: HOME is not set", {
    hint: "Set VOLANT_CACHE to a folder",
  });
}

/** A name for what is made of `inputs`: their order does not matter, all else does. */
export function cacheKey(
  inputs: Readonly<Record<string, string | Uint8Array>>,
): string {
  const hash = createHash("sha256");
  for (const name of Object.keys(inputs).sort()) {
    const value = inputs[name] ?? "";
    const bytes = typeof value === "string"
      ? new TextEncoder().encode(value)
      : value;
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

/** Which entries of one kind are too many: all but the last used. */
export function surplusEntries(
  entries: readonly CacheEntry[],
  keptMax: number,
): string[] {
  return [...entries]
    .sort((a, b) => b.usedMs - a.usedMs)
    .slice(keptMax)
    .map((entry) => entry.name);
}

/** The cache while it is held; no other build runs until it is disposed of. */
export class KernelCache implements Disposable {
  readonly workFolder: string;
  readonly #folder: string;
  readonly #lock: Deno.FsFile;

  private constructor(folder: string, lock: Deno.FsFile) {
    this.#folder = folder;
    this.#lock = lock;
    this.workFolder = `${folder}/work`;
  }

  /** Waits for other builds to end. */
  static async open(folder: string): Promise<KernelCache> {
    await Deno.mkdir(folder, { recursive: true });
    const lock = await Deno.open(`${folder}/lock`, {
      write: true,
      create: true,
    });
    await lock.lock(true);
    const cache = new KernelCache(folder, lock);
    await removeIfThere(cache.workFolder);
    return cache;
  }

  /** The folder of `kind` with this key; undefined if it was not built yet. */
  async find(kind: CacheKind, key: string): Promise<string | undefined> {
    const path = `${this.#folder}/${kind}-${key}`;
    try {
      // Its age decides what is thrown out, so a use makes it young again.
      await Deno.utime(path, new Date(), new Date());
      return path;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** Lets `fill` put files into a new folder, then gives it its name. */
  async store(
    kind: CacheKind,
    key: string,
    fill: (folder: string) => Promise<void>,
  ): Promise<string> {
    const path = `${this.#folder}/${kind}-${key}`;
    const unnamed = `${this.workFolder}/store`;
    await removeIfThere(unnamed);
    await Deno.mkdir(unnamed, { recursive: true });
    await fill(unnamed);
    await syncFolder(unnamed);
    // A folder that was found broken has this name.
    await removeIfThere(path);
    await Deno.rename(unnamed, path);
    await sync(this.#folder);
    await this.#removeSurplus(kind);
    return path;
  }

  async #removeSurplus(kind: CacheKind): Promise<void> {
    const entries: CacheEntry[] = [];
    for await (const { name } of Deno.readDir(this.#folder)) {
      if (!name.startsWith(`${kind}-`)) continue;
      const { mtime } = await Deno.stat(`${this.#folder}/${name}`);
      entries.push({ name, usedMs: mtime?.getTime() ?? 0 });
    }
    for (const name of surplusEntries(entries, KEPT_MAX[kind])) {
      await Deno.remove(`${this.#folder}/${name}`, { recursive: true });
    }
  }

  async clearWork(): Promise<void> {
    await removeIfThere(this.workFolder);
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** Waits until all that lies in a folder is on the disk. */
async function syncFolder(folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    await (isDirectory ? syncFolder(path) : sync(path));
  }
  await sync(folder);
}

async function sync(path: string): Promise<void> {
  using file = await Deno.open(path);
  await file.sync();
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
