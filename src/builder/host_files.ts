/**
 * Looks at files of the host for the builder: what they are, parts of their
 * bytes, and faults a person can act on when they are not there.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import type { ReadAt } from "./elf.ts";
import type { HostFile } from "./tree.ts";

/** `path` as seen from the folder `base`. */
export function pathFrom(base: string, path: string): string {
  return path.startsWith("/") ? path : `${base}/${path}`;
}

/** The folder a file lies in. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Follows links; a fault says what the file was wanted for. */
export async function statFile(
  path: string,
  purpose: string,
): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (cause) {
    throw unreadable(path, purpose, cause);
  }
}

export function hostFileOf(path: string, info: Deno.FileInfo): HostFile {
  return { path, size: info.size, dev: info.dev, ino: info.ino };
}

export async function readHostText(
  path: string,
  purpose: string,
): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw unreadable(path, purpose, cause);
  }
}

/** Opens a file for reading parts of it; undefined when it cannot be opened. */
export async function openForParts(
  path: string,
): Promise<(Disposable & { readonly readAt: ReadAt }) | undefined> {
  const file = await Deno.open(path).catch(() => undefined);
  if (file === undefined) return undefined;
  return {
    readAt: (offset, length) => readAt(file, offset, length),
    [Symbol.dispose]: () => file.close(),
  };
}

async function readAt(
  file: Deno.FsFile,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  // An offset from a broken file may be beyond what a seek can take.
  if (!Number.isSafeInteger(offset)) return new Uint8Array();
  await file.seek(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const got = await file.read(bytes.subarray(filled));
    if (got === null) break;
    filled += got;
  }
  return bytes.subarray(0, filled);
}

/** Why a file cannot be had, as a fault; what is foreign to that comes back as it is. */
export function unreadable(
  path: string,
  purpose: string,
  cause: unknown,
): unknown {
  const what = `Cannot read "${path}", ${purpose}`;
  if (cause instanceof Deno.errors.NotFound) {
    return new Fault("file-not-found", `${what}: it does not exist`, {
      cause,
      hint: "Paths are seen from the folder of the file that names them",
    });
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return new Fault("file-not-found", `${what}: permission denied`, {
      cause,
      hint: "Run the build as a user who may read it",
    });
  }
  if (
    cause instanceof Deno.errors.NotADirectory ||
    cause instanceof Deno.errors.IsADirectory ||
    cause instanceof Deno.errors.FilesystemLoop
  ) {
    return new Fault("file-not-found", `${what}: ${cause.message}`, { cause });
  }
  return cause;
}
