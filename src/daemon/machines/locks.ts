/**
 * Whether anybody holds the lock of a file or folder, without taking it: whoever
 * is about to would be refused.
 *
 * @module
 */

import { readTextIfThere } from "../../lib/files.ts";

/**
 * By flock(2); false if there is no such file.
 *
 * /proc/locks names a file by device and inode. On btrfs the device is another
 * than stat(2) gives, so there it counts whether the holder was called with the
 * path, as a monitor is.
 */
export async function isLocked(path: string): Promise<boolean> {
  const info = await Deno.lstat(path).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (info === undefined) return false;
  const name = `${deviceName(info.dev)}:${info.ino}`;
  // proc(5): "1: FLOCK  ADVISORY  WRITE 708 00:2a:1234 0 EOF"
  const locks = (await Deno.readTextFile("/proc/locks")).split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, kind]) => kind === "FLOCK");
  for (const [, , , , pid, file = ""] of locks) {
    if (file === name) return true;
    const isSameInode = file.endsWith(`:${info.ino}`);
    if (isSameInode && await wasCalledWith(pid, path)) return true;
  }
  return false;
}

/**
 * Pids that hold a lock, by the file's inode. The device is left out: on btrfs
 * it is another than stat(2) gives.
 */
export async function lockHolders(): Promise<Map<string, Set<number>>> {
  const holders = new Map<string, Set<number>>();
  for (const line of (await Deno.readTextFile("/proc/locks")).split("\n")) {
    const [, kind, , , pid, file = ""] = line.trim().split(/\s+/);
    if (kind !== "FLOCK") continue;
    const inode = file.slice(file.lastIndexOf(":") + 1);
    holders.set(inode, (holders.get(inode) ?? new Set()).add(Number(pid)));
  }
  return holders;
}

async function wasCalledWith(
  pid: string | undefined,
  word: string,
): Promise<boolean> {
  const words = await readTextIfThere(`/proc/${pid}/cmdline`) ?? "";
  return words.split("\0").includes(word);
}

/** As /proc/locks has it; exported for its test. See makedev(3). */
export function deviceName(dev: number): string {
  const whole = BigInt(dev);
  const major = (whole >> 8n & 0xfffn) | (whole >> 32n & ~0xfffn);
  const minor = (whole & 0xffn) | (whole >> 12n & 0xfff00n);
  const hex = (part: bigint) => part.toString(16).padStart(2, "0");
  return `${hex(major)}:${hex(minor)}`;
}
