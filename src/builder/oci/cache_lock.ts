/**
 * Locks of the cache, which die with their holder. Whoever reads or adds to the
 * cache shares it; whoever removes from it has it alone, so that nothing is
 * taken from under one who has just found it.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";
import { makeDir, storageFault } from "../../lib/files.ts";

/** How long to wait before asking for a lock again. */
const LOCK_POLL_MS = 100;

/** Waits until `file` is locked; `onWait` tells that somebody else has it. */
export async function waitForLock(
  file: Deno.FsFile,
  { exclusive, signal, onWait }: {
    readonly exclusive: boolean;
    readonly signal: AbortSignal;
    readonly onWait: () => void;
  },
): Promise<void> {
  for (let isFirst = true; !await file.tryLock(exclusive); isFirst = false) {
    if (isFirst) onWait();
    await pause(LOCK_POLL_MS, signal);
  }
}

/** Nobody removes from the cache until this is disposed of. */
export async function shareCache(
  cacheDir: string,
  signal: AbortSignal,
  onWait: () => void,
): Promise<Disposable> {
  return await lockCache(cacheDir, { exclusive: false, signal, onWait });
}

/** Nobody else uses the cache until this is disposed of. */
export async function ownCache(
  cacheDir: string,
  signal: AbortSignal,
  onWait: () => void,
): Promise<Disposable> {
  return await lockCache(cacheDir, { exclusive: true, signal, onWait });
}

async function lockCache(
  cacheDir: string,
  how: Parameters<typeof waitForLock>[1],
): Promise<Disposable> {
  const file = await openLock(cacheDir);
  try {
    await waitForLock(file, how);
  } catch (error) {
    file.close();
    throw error;
  }
  return { [Symbol.dispose]: () => file.close() };
}

/** To lock it, it need not be written to. */
async function openLock(cacheDir: string): Promise<Deno.FsFile> {
  const path = `${cacheDir}/.lock`;
  try {
    return await Deno.open(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw storageFault(error, "open", path);
    }
  }
  await makeDir(cacheDir);
  try {
    return await Deno.open(path, { write: true, create: true, mode: 0o644 });
  } catch (error) {
    throw storageFault(error, "open", path);
  }
}
