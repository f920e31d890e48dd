/**
 * Writing files so that a reader, or a crash, never sees half of one.
 *
 * @module
 */

import { Fault } from "./fault.ts";

/** Replaces `path` in one step; `mode` is that of the new file. */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string,
  mode = 0o600,
): Promise<void> {
  const bytes = typeof data === "string"
    ? new TextEncoder().encode(data)
    : data;
  const temporary = `${path}.new`;
  try {
    {
      using file = await Deno.open(temporary, {
        write: true,
        create: true,
        truncate: true,
        mode,
      });
      await writeAll(file, bytes);
      await file.sync();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeIfThere(temporary);
    if (!(error instanceof Deno.errors.NotFound)) {
      throw storageFault(error, "write", path);
    }
    throw new Fault(
      "disk-failed",
      `Cannot write "${path}": its folder was removed`,
      { cause: error, hint: "See what cleans up there, and try again" },
    );
  }
}

export async function writeAll(
  file: Deno.FsFile,
  bytes: Uint8Array,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += await file.write(bytes.subarray(done));
  }
}

/**
 * Makes a folder with `mode`, whatever the umask; its parents are for its owner
 * alone. One that is there already keeps the mode it has.
 */
export async function makeDir(path: string, mode = 0o700): Promise<void> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
    if (await makeNewDir(path, mode)) await Deno.chmod(path, mode);
  } catch (error) {
    const isInTheWay = error instanceof Deno.errors.NotADirectory ||
      error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotFound;
    if (!isInTheWay) throw storageFault(error, "make folder", path);
    throw new Fault(
      "invalid-input",
      `Cannot make folder "${path}": a folder above it, or it, is something else`,
      {
        cause: error,
        hint: "Name another one (VOLANT_STATE_DIR, VOLANT_CACHE)",
      },
    );
  }
}

/** False if the folder is there already. */
async function makeNewDir(path: string, mode: number): Promise<boolean> {
  try {
    await Deno.mkdir(path, { mode });
    return true;
  } catch (error) {
    const isThere = error instanceof Deno.errors.AlreadyExists &&
      (await Deno.stat(path)).isDirectory;
    if (!isThere) throw error;
    return false;
  }
}

/**
 * Opens a file that a user named, called `what` in the fault `file-not-found`.
 * Its kind is looked at first: to open a FIFO could wait for ever.
 */
export async function openRegularFile(
  path: string,
  { what, hint }: { readonly what: string; readonly hint: string },
): Promise<Deno.FsFile> {
  const fault = (reason: string, cause?: unknown) =>
    new Fault("file-not-found", `Cannot read ${what} "${path}": ${reason}`, {
      cause,
      hint,
    });
  try {
    if ((await Deno.stat(path)).isFile) return await Deno.open(path);
  } catch (cause) {
    throw fault(openFailure(cause), cause);
  }
  throw fault("it is not a regular file");
}

function openFailure(cause: unknown): string {
  if (cause instanceof Deno.errors.PermissionDenied) return "permission denied";
  return cause instanceof Deno.errors.NotFound ||
      cause instanceof Deno.errors.NotADirectory
    ? "it is not there"
    : "it cannot be opened";
}

/**
 * Checks that another user can pass through `path` and all folders above it,
 * as a VMM that runs as a user of its own must.
 */
export async function checkPassable(path: string): Promise<void> {
  const parts = (await Deno.realPath(path)).split("/");
  for (let count = 1; count <= parts.length; count++) {
    const folder = parts.slice(0, count).join("/") || "/";
    const { mode } = await Deno.stat(folder);
    if (mode !== null && (mode & 0o001) !== 0) continue;
    throw new Fault(
      "invalid-input",
      `Cannot use folder "${path}": "${folder}" is closed to the users that virtual machines run as`,
      { hint: `Open it with chmod o+x "${folder}", or name another folder` },
    );
  }
}

/** Makes names put into, or taken from, a folder outlast a power cut. */
export async function syncDir(path: string): Promise<void> {
  try {
    using folder = await Deno.open(path);
    await folder.sync();
  } catch (error) {
    throw storageFault(error, "write", path);
  }
}

export async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw storageFault(error, "remove", path);
    }
  }
}

export async function readTextIfThere(
  path: string,
): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Turns the errors of a full, read-only or failing disk into faults; others unchanged. */
export function storageFault(
  error: unknown,
  verb: string,
  path: string,
): unknown {
  const text = error instanceof Error ? error.message : String(error);
  if (
    /os error 28\b|ENOSPC|os error 122\b|EDQUOT|database or disk is full/.test(
      text,
    )
  ) {
    return new Fault(
      "disk-full",
      `Cannot ${verb} "${path}": no space is left on its file system`,
      { cause: error, hint: `Make room there (df -h "${path}") and try again` },
    );
  }
  if (/os error 30\b|EROFS/.test(text)) {
    return new Fault(
      "disk-read-only",
      `Cannot ${verb} "${path}": its file system is read-only`,
      {
        cause: error,
        hint:
          "Mount it read-write (mount -o remount,rw) after a look at dmesg, or set VOLANT_STATE_DIR",
      },
    );
  }
  if (/os error 5\b|EIO/.test(text)) {
    return new Fault(
      "disk-failed",
      `Cannot ${verb} "${path}": the disk failed`,
      {
        cause: error,
        hint: "Look at the kernel's log (dmesg) for what the disk said",
      },
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new Fault(
      "invalid-input",
      `Cannot ${verb} "${path}": permission denied`,
      { cause: error, hint: "Run as its owner, or name another folder" },
    );
  }
  return error;
}

/** The folder a path lies in; `.` for a bare name. */
export function dirname(path: string): string {
  const plain = path.replace(/\/+$/, "");
  const end = plain.lastIndexOf("/");
  if (end === 0) return "/";
  return end < 0 ? "." : plain.slice(0, end);
}
