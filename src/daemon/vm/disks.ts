/**
 * The disks of a VM: made when it first needs them, kept until it is deleted.
 *
 * Each appears under its name by a rename, so that one whose making was
 * interrupted is never taken for whole. They are sparse: a disk takes what the
 * guest has written to it.
 *
 * @module
 */

import { findProgram, run } from "../../lib/exec.ts";
import { Fault } from "../../lib/fault.ts";
import { removeIfThere, storageFault } from "../../lib/files.ts";
import { step } from "../../lib/step.ts";

const MIB = 1024 * 1024;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** An empty ext4 file system of `sizeMib`, unless it is there. */
export async function makeStateDisk(
  path: string,
  sizeMib: number,
  owner: Owner | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (await isThere(path)) return;
  const mke2fs = await findProgram("mke2fs");
  if (mke2fs === undefined) {
    throw new Fault(
      "hypervisor-unavailable",
      `Cannot make state disk "${path}": mke2fs is not on this host`,
      { hint: "Install e2fsprogs" },
    );
  }
  await making(path, owner, async (aside) => {
    {
      using file = await Deno.open(aside, { write: true, createNew: true });
      await file.truncate(sizeMib * MIB);
    }
    await run(mke2fs, [
      ...["-q", "-F", "-t", "ext4", "-m", "0", "-e", "remount-ro"],
      // A sparse file reads as zeroes: nothing need be written to say so, now
      // or by the guest's kernel later.
      ...["-E", "assume_storage_prezeroed=1,lazy_journal_init=1,nodiscard"],
      aside,
    ], { signal, fault: "boot-failed" });
  });
  step("disks:state-disk-made");
}

/** A copy of `source` that shares its blocks where the file system can. */
export async function makeRootCopy(
  path: string,
  source: string,
  owner: Owner | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (await isThere(path)) return;
  await making(path, owner, async (aside) => {
    await run(
      "cp",
      ["--reflink=auto", "--sparse=always", "--", source, aside],
      { signal, fault: "boot-failed" },
    );
  });
  step("disks:root-copied");
}

async function making(
  path: string,
  owner: Owner | undefined,
  make: (aside: string) => Promise<void>,
): Promise<void> {
  const aside = `${path}.new`;
  try {
    await removeIfThere(aside);
    await make(aside);
    await Deno.chmod(aside, 0o600);
    if (owner !== undefined) await Deno.chown(aside, owner.uid, owner.gid);
    {
      using file = await Deno.open(aside, { read: true });
      await file.sync();
    }
    await Deno.rename(aside, path);
  } catch (error) {
    await removeIfThere(aside);
    throw diskFault(error, path);
  }
}

/** What a program said of a full disk, as the fault it is. */
function diskFault(error: unknown, path: string): unknown {
  const isFull = error instanceof Fault &&
    /No space left on device|Disk quota exceeded/.test(error.message);
  return isFull
    ? storageFault(new Error("ENOSPC", { cause: error }), "write", path)
    : storageFault(error, "write", path);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
