/**
 * The format of a backup: a tar archive whose first entry says what it is and
 * whose last one says what must have been in it. docs/backup.md describes it.
 *
 * The last entry makes a backup: one without it was broken off. It names each
 * entry with its digest, and a digest of all that lies around the contents, so
 * that no byte of a backup can change unseen.
 *
 * @module
 */

import { damaged } from "../archive/problem.ts";

export const FORMAT_VERSION = 1;

/** Of the database in a backup; a test compares it with the daemon's own. */
export const DATABASE_SCHEMA = 6;

export const HEADER_NAME = "volant-backup.json";
export const DATABASE_NAME = "volant.db";
export const CONTENTS_NAME = "contents.json";
/** In the place of the last entry, where a backup could not be finished: why. */
export const FAILURE_NAME = "failure.json";
export const ARTIFACTS_FOLDER = "artifacts/sha256";
export const VMS_FOLDER = "vms";

/**
 * All that a backup may hold of a state directory, and so all that a restore
 * may write: the database, what VMs boot from, what they keep, and the folders
 * of VMs that were set aside. Kernels, the monitor, cached answers, sockets,
 * locks and what is half done are made anew by the next daemon.
 */
export const KEPT_FOLDERS = ["artifacts", VMS_FOLDER, "forgotten"] as const;

/** Fields of the first entry. */
export interface BackupHeader {
  readonly format: number;
  readonly volant: string;
  /** Of the database. */
  readonly schema: number;
  readonly created_at: string;
  /** Whether the files that VMs boot from are in it. */
  readonly artifacts: boolean;
}

export interface ContentsEntry {
  readonly path: string;
  readonly kind: "file" | "directory";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  /** Holes included. */
  readonly size: number;
  /** Bytes that are in the archive. */
  readonly stored: number;
  /** Of those bytes; "" for a folder. */
  readonly sha256: string;
}

/** Fields of the last entry. */
export interface Contents {
  readonly format: number;
  readonly entries: readonly ContentsEntry[];
  readonly files: number;
  readonly size: number;
  readonly stored: number;
  /** Of all bytes before this entry that are no content of a file. */
  readonly frame_sha256: string;
}

/** As it stands in a backup, byte for byte. */
export function encodeHeader(header: BackupHeader): Uint8Array {
  return encode(header);
}

export function encodeContents(contents: Contents): Uint8Array {
  return encode(contents);
}

export function contentsOf(
  entries: readonly ContentsEntry[],
  frameSha256: string,
): Contents {
  const sum = (field: "size" | "stored") =>
    entries.reduce((total, each) => total + each[field], 0);
  return {
    format: FORMAT_VERSION,
    entries,
    files: entries.filter(({ kind }) => kind === "file").length,
    size: sum("size"),
    stored: sum("stored"),
    frame_sha256: frameSha256,
  };
}

export function parseHeader(bytes: Uint8Array): BackupHeader {
  const header = parsed(bytes) as Partial<BackupHeader> | null;
  const isOne = typeof header === "object" && header !== null &&
    typeof header.format === "number" && typeof header.volant === "string" &&
    typeof header.schema === "number" &&
    typeof header.created_at === "string" &&
    typeof header.artifacts === "boolean";
  if (!isOne) throw damaged(`${HEADER_NAME} in it is not as it should be`);
  return header as BackupHeader;
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, undefined, 1)}\n`);
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw damaged(`${HEADER_NAME} in it is no JSON`);
  }
}

/** Whether a name may stand in a backup: nothing leads out of its folder. */
export function isBackupPath(path: string): boolean {
  if (
    path === HEADER_NAME || path === DATABASE_NAME || path === CONTENTS_NAME
  ) return true;
  const parts = path.split("/");
  const isPlain = parts.every((part) =>
    part !== "" && part !== "." && part !== ".." && !part.includes("\0")
  );
  return isPlain && KEPT_FOLDERS.some((folder) => folder === parts[0]);
}
