/**
 * The disks of a VM: made when it first needs them, kept until it is deleted.
 *
 * Each appears under its name by a rename, so that one whose making was
 * interrupted is never taken for whole. A mark beside it, written before a guest
 * sees the disk, says that it was made: one that is gone later is never replaced
 * by an empty one. They are sparse: a disk takes what the guest has written.
 *
 * @module
 */

import { run } from "../../lib/exec.ts";
import { Fault } from "../../lib/fault.ts";
import {
  dirname,
  isThere,
  removeIfThere,
  storageFault,
  syncDir,
  writeFileAtomic,
} from "../../lib/files.ts";
import { findMke2fs, MKE2FS_ENV, mke2fsArgs } from "../../lib/mke2fs.ts";
import { step } from "../../lib/step.ts";

const MIB = 1024 * 1024;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * An empty ext4 file system of `sizeMib`, unless it is there. Throws
 * `file-not-found` when it was and is gone.
 */
export async function makeStateDisk(
  path: string,
  sizeMib: number,
  owner: Owner | undefined,
  signal: AbortSignal,
): Promise<void> {
  const isNew = await madeOnce(path, owner, async (aside) => {
    const mke2fs = await findMke2fs();
    if (mke2fs === undefined) {
      throw new Fault(
        "hypervisor-unavailable",
        `Cannot make state disk "${path}": mke2fs is not on this host`,
        { hint: "Install e2fsprogs" },
      );
    }
    {
      using file = await Deno.open(aside, { write: true, createNew: true });
      await file.truncate(sizeMib * MIB);
    }
    const args = mke2fsArgs(mke2fs.version, aside, sizeMib);
    const options = { env: MKE2FS_ENV, signal, fault: "boot-failed" } as const;
    await run(mke2fs.path, args, options);
  });
  if (isNew) step("disks:state-disk-made");
}

/**
 * A copy of `source` that shares its blocks where the file system can. Throws
 * `file-not-found` when it was made before and is gone.
 */
export async function makeRootCopy(
  path: string,
  source: string,
  owner: Owner | undefined,
  signal: AbortSignal,
): Promise<void> {
  const isNew = await madeOnce(path, owner, async (aside) => {
    await run(
      "cp",
      ["--reflink=auto", "--sparse=always", "--", source, aside],
      { signal, fault: "boot-failed" },
    );
  });
  if (isNew) step("disks:root-copied");
}

/**
 * Whether it was not known to be made. The mark comes after the disk: what is killed between the two leaves a
 * whole disk, which no guest has written to and which the next start marks. What
 * a guest wrote to is marked always.
 */
async function madeOnce(
  path: string,
  owner: Owner | undefined,
  make: (aside: string) => Promise<void>,
): Promise<boolean> {
  const mark = `${path}.made`;
  const isMarked = await isThere(mark);
  if (await isThere(path)) {
    // A backup may be of another user's daemon.
    await own(path, owner);
    if (isMarked) return false;
  } else if (isMarked) {
    throw new Fault(
      "file-not-found",
      `Cannot use disk "${path}": it was made for this VM before, and is gone`,
      { hint: "Put it back, or delete the VM and create it again without it" },
    );
  } else {
    await making(path, owner, make);
  }
  await syncDir(dirname(path));
  await writeFileAtomic(mark, "");
  await syncDir(dirname(path));
  return true;
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
    await own(aside, owner);
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

async function own(path: string, owner: Owner | undefined): Promise<void> {
  if (owner === undefined) return;
  const { uid, gid } = await Deno.lstat(path);
  if (uid === owner.uid && gid === owner.gid) return;
  await Deno.chown(path, owner.uid, owner.gid);
}

/** What a program said of a full disk, as the fault it is. */
function diskFault(error: unknown, path: string): unknown {
  const isFull = error instanceof Fault &&
    /No space left on device|Disk quota exceeded/.test(error.message);
  return isFull
    ? storageFault(new Error("ENOSPC", { cause: error }), "write", path)
    : storageFault(error, "write", path);
}
