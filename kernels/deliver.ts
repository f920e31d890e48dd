/**
 * Brings a built kernel from the cache into a clone.
 *
 * It is a copy, never a link: clones share the cache, and what one does to its
 * file, if only to its time, must reach neither the cache nor another clone.
 *
 * @module
 */

import { readFile } from "node:fs/promises";

/**
 * Puts a product at `to` unless it is there already; says whether it did. Its
 * time is new either way, because make compares it with what it is made from.
 */
export async function deliver(from: string, to: string): Promise<boolean> {
  if (await isCopy(from, to)) {
    await Deno.utime(to, new Date(), new Date());
    return false;
  }
  const aside = `${to}.new`;
  // It is there only if a build was killed right here; it may be a link.
  await Deno.remove(aside).catch(() => undefined);
  await Deno.copyFile(from, aside);
  await Deno.rename(aside, to);
  return true;
}

/** Whether `to` has the bytes of `from` and is a file of its own. */
async function isCopy(from: string, to: string): Promise<boolean> {
  const source = await Deno.stat(from);
  const present = await Deno.stat(to).catch(() => undefined);
  if (present === undefined || present.size !== source.size) return false;
  if (present.ino === source.ino && present.dev === source.dev) return false;
  return (await readFile(from)).equals(await readFile(to));
}
