/**
 * Whether a backup is whole and makes sense: every byte is as it was written,
 * the database can be read, and what its VMs need is there.
 *
 * @module
 */

import { damaged } from "../archive/problem.ts";
import { writeAll } from "../lib/files.ts";
import { type BackedUpState, readState } from "./database.ts";
import {
  ARTIFACTS_FOLDER,
  type ContentsEntry,
  DATABASE_NAME,
  VMS_FOLDER,
} from "./format.ts";
import { type Backup, type BackupEntry, readBackup } from "./reader.ts";

/** What is in a backup that was found to be good. */
export interface BackupReport {
  readonly format: number;
  readonly volant: string;
  readonly schema: number;
  readonly created_at: string;
  readonly vms: readonly {
    readonly name: string;
    readonly status: string;
    /** Of its folder, holes included. */
    readonly size: number;
    readonly stored: number;
  }[];
  readonly plugins: readonly string[];
  /** Digests of the files that VMs boot from. */
  readonly artifacts: readonly string[];
  /** Those of them that are not in it, and must be there before the restore. */
  readonly missing_artifacts: readonly string[];
  readonly files: number;
  readonly size: number;
  readonly stored: number;
}

/** Reads it whole; throws an `ArchiveProblem` for one that is not good. */
export async function verifyBackup(
  chunks: AsyncIterable<Uint8Array>,
  onEntry: (path: string) => void = () => {},
): Promise<BackupReport> {
  const scratch = await Deno.makeTempDir({ prefix: "volant-verify-" });
  try {
    const path = `${scratch}/${DATABASE_NAME}`;
    const backup = await readBackup(chunks, async (entry) => {
      onEntry(entry.path);
      if (entry.path === DATABASE_NAME) await unpackTo(path, entry);
    });
    return checkedReport(backup, readState(path));
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

async function unpackTo(path: string, entry: BackupEntry): Promise<void> {
  if (entry.parts !== undefined) throw damaged("its database has holes");
  using file = await Deno.open(path, {
    write: true,
    createNew: true,
    mode: 0o600,
  });
  for await (const chunk of entry.stored()) await writeAll(file, chunk);
}

/** Compares what the database names with what is there. */
export function checkedReport(
  { header, entries }: Backup,
  state: BackedUpState,
): BackupReport {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  const ids = new Set(state.vms.map(({ id }) => String(id)));
  for (const { path } of entries) {
    const [folder, id] = path.split("/");
    if (folder === VMS_FOLDER && id !== undefined && !ids.has(id)) {
      throw damaged(`it holds "${path}", which belongs to no VM`);
    }
    if (path.endsWith(".made") && !byPath.has(path.replace(/\.made$/, ""))) {
      throw damaged(`the disk of "${path}" is not in it`);
    }
  }
  const missing = state.artifacts.filter((digest) => !isThere(byPath, digest));
  if (header.artifacts && missing.length > 0) {
    throw damaged(`the artifact ${missing[0]} is not in it`);
  }
  const files = entries.filter(({ kind }) => kind === "file");
  const { format, volant, created_at } = header;
  return {
    format,
    volant,
    schema: state.schema,
    created_at,
    vms: state.vms.map(({ id, name, status }) => {
      const own = entries.filter(({ path }) =>
        path.startsWith(`${VMS_FOLDER}/${id}/`)
      );
      return { name, status, ...sizes(own) };
    }),
    plugins: state.plugins,
    artifacts: state.artifacts,
    missing_artifacts: missing,
    files: files.length,
    ...sizes(entries),
  };
}

function isThere(
  byPath: ReadonlyMap<string, ContentsEntry>,
  digest: string,
): boolean {
  const hex = digest.slice(digest.indexOf(":") + 1);
  const entry = byPath.get(`${ARTIFACTS_FOLDER}/${hex}`);
  if (entry === undefined) return false;
  // The digest of one with holes is not that of its stored bytes.
  if (entry.stored === entry.size && entry.sha256 !== hex) {
    throw damaged(`the artifact ${digest} in it is another file`);
  }
  return true;
}

function sizes(
  entries: readonly ContentsEntry[],
): { readonly size: number; readonly stored: number } {
  return {
    size: entries.reduce((total, { size }) => total + size, 0),
    stored: entries.reduce((total, { stored }) => total + stored, 0),
  };
}
