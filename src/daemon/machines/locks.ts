/**
 * Locks of run directories: whoever has one decides what becomes of the directory.
 *
 * /proc/locks is no way to ask: it is read in pieces, and what is unlocked between
 * two of them makes others go unseen.
 *
 * @module
 */

/** The lock, to be disposed of, or why there is none. */
export async function tryLock(
  path: string,
): Promise<Deno.FsFile | "held" | "no folder"> {
  let folder: Deno.FsFile;
  try {
    folder = await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "no folder";
    throw error;
  }
  if (await folder.tryLock(true)) return folder;
  folder.close();
  return "held";
}

/**
 * Whether somebody holds the lock, by flock(2). It is taken for a moment: a
 * monitor that wants it just then tries for two seconds.
 */
export async function isLocked(path: string): Promise<boolean> {
  const lock = await tryLock(path);
  if (typeof lock === "string") return lock === "held";
  lock.close();
  return false;
}
