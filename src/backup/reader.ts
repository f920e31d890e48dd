/**
 * Reads a backup once through, and checks all there is to check of its bytes:
 * names, sizes, digests, and that nothing is missing. What is in the files is
 * for whoever takes them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { ByteSource } from "../archive/byte_source.ts";
import { ArchiveProblem, damaged, quoted } from "../archive/problem.ts";
import type { Part } from "../archive/sparse.ts";
import { type TarEntry, TarReader } from "../archive/tar_reader.ts";
import { Fault, isFaultCode } from "../lib/fault.ts";
import {
  type BackupHeader,
  CONTENTS_NAME,
  type ContentsEntry,
  contentsOf,
  encodeContents,
  FAILURE_NAME,
  FORMAT_VERSION,
  HEADER_NAME,
  isBackupPath,
  parseHeader,
} from "./format.ts";
import { TrackedInput } from "./tracked_input.ts";
import { contentsHead } from "./writer.ts";

/** An entry, while its content can be taken. */
export interface BackupEntry {
  readonly path: string;
  readonly kind: "file" | "directory";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly size: number;
  /** Where the bytes lie that are in the archive; undefined: all are. */
  readonly parts: readonly Part[] | undefined;
  /** Once: the bytes of the parts, in their order. What is not taken is skipped. */
  stored(): AsyncIterable<Uint8Array>;
}

export interface Backup {
  readonly header: BackupHeader;
  readonly entries: readonly ContentsEntry[];
}

/** Of a description; far above that of any host. */
const JSON_BYTES_MAX = 256 * 1024 ** 2;

/**
 * Hands each file and folder to `take`, in order, and resolves once all is
 * known to be as it was written. Throws an `ArchiveProblem` that says where it
 * is not.
 */
export async function readBackup(
  chunks: AsyncIterable<Uint8Array>,
  take: (entry: BackupEntry) => Promise<void> = () => Promise.resolve(),
): Promise<Backup> {
  const input = new TrackedInput(new ByteSource(chunks));
  const reading = new Reading(input, take);
  try {
    return await reading.whole();
  } catch (error) {
    if (!(error instanceof ArchiveProblem)) throw error;
    throw new ArchiveProblem(
      error.kind,
      `${error.message} (${reading.place}, byte ${input.offset})`,
      { cause: error.cause ?? error },
    );
  }
}

class Reading {
  readonly #input: TrackedInput;
  readonly #reader: TarReader;
  readonly #take: (entry: BackupEntry) => Promise<void>;
  readonly #entries: ContentsEntry[] = [];
  readonly #paths = new Set<string>();
  /** For people: where the reading has got to. */
  place = "at its beginning";

  constructor(
    input: TrackedInput,
    take: (entry: BackupEntry) => Promise<void>,
  ) {
    this.#input = input;
    this.#reader = new TarReader(input);
    this.#take = take;
  }

  async whole(): Promise<Backup> {
    const header = await this.#header();
    for (;;) {
      const entry = await this.#next();
      if (entry.name === CONTENTS_NAME) {
        await this.#end(entry);
        return { header, entries: this.#entries };
      }
      await this.#entry(entry, this.#take);
    }
  }

  async #header(): Promise<BackupHeader> {
    const first = await this.#next();
    if (first.name !== HEADER_NAME) {
      throw damaged("it is an archive, but no backup of Volant");
    }
    let header: BackupHeader | undefined;
    await this.#entry(first, async (entry) => {
      header = parseHeader(await whole(entry));
    });
    if (header === undefined) throw new Error("the header was not taken");
    if (header.format > FORMAT_VERSION) {
      throw new ArchiveProblem(
        "unknown",
        `it was written by Volant ${header.volant} in a newer format`,
      );
    }
    return header;
  }

  async #next(): Promise<TarEntry> {
    const entry = await this.#reader.next();
    if (entry === undefined) {
      throw damaged(`it was broken off: it has no ${CONTENTS_NAME}`);
    }
    this.place = `at ${quoted(entry.name)}`;
    if (entry.name === FAILURE_NAME) throw await failureIn(entry);
    return entry;
  }

  /** Checks what can be said now; the digests are compared at the end. */
  async #entry(
    entry: TarEntry,
    take: (entry: BackupEntry) => Promise<void>,
  ): Promise<void> {
    const { kind, mode, uid, gid, mtime, size, parts } = entry;
    if (kind !== "file" && kind !== "directory") {
      throw damaged(`it holds a ${kind}, which no backup does`);
    }
    const path = utf8(entry.name).replace(/\/$/, "");
    if (!isBackupPath(path) || this.#paths.has(path)) {
      throw damaged("it holds a name that no backup does, or one twice");
    }
    this.#paths.add(path);
    const hash = createHash("sha256");
    let stored = 0;
    const digested = async function* () {
      for await (const chunk of entry.stored()) {
        hash.update(chunk);
        stored += chunk.length;
        yield chunk;
      }
    };
    const rest = digested();
    const fields = { path, kind, mode, uid, gid, mtime, size };
    await take({ ...fields, parts, stored: () => rest });
    for await (const _ of rest);
    const isFile = kind === "file";
    const sha256 = isFile ? hash.digest("hex") : "";
    this.#entries.push({ ...keptFields(fields), stored, sha256 });
  }

  async #end(entry: TarEntry): Promise<void> {
    if (!isPlain(entry)) {
      throw damaged(`its ${CONTENTS_NAME} is larger than any`);
    }
    const frame = this.#input.frameDigest();
    const isAsWritten = equal(
      this.#input.lastHeader,
      contentsHead(entry.size),
    );
    const bytes = await collected(entry.content());
    if (!isAsWritten) throw damaged(`the header of ${CONTENTS_NAME} differs`);
    this.#input.expectEnd();
    const found = contentsOf(this.#entries, frame);
    if (!equal(bytes, encodeContents(found))) {
      this.place = difference(bytes, found.entries) ?? this.place;
      throw damaged("its bytes are not those it was written with");
    }
    if (await this.#reader.next() !== undefined) {
      throw damaged("something follows its end");
    }
  }
}

/** Why the daemon could not finish it. */
async function failureIn(entry: TarEntry): Promise<Error> {
  if (!isPlain(entry)) return damaged(`its ${FAILURE_NAME} is larger than any`);
  const text = new TextDecoder().decode(await collected(entry.content()));
  try {
    const { code, error, hint } = JSON.parse(text);
    if (isFaultCode(code)) return new Fault(code, String(error), { hint });
  } catch {
    // Damaged as well; said below.
  }
  return damaged("it could not be finished");
}

/** Which entry is not as it was written; undefined when that cannot be told. */
function difference(
  bytes: Uint8Array,
  found: readonly ContentsEntry[],
): string | undefined {
  let written: unknown;
  try {
    written = JSON.parse(new TextDecoder().decode(bytes))?.entries;
  } catch {
    return undefined; // The description itself is damaged.
  }
  if (!Array.isArray(written)) return undefined;
  const index = found.findIndex((entry, at) =>
    JSON.stringify(entry) !== JSON.stringify(written[at])
  );
  const path = found[index]?.path ?? written[found.length]?.path;
  return path === undefined
    ? "in what lies between its files"
    : `in ${JSON.stringify(path)}`;
}

function keptFields(
  { path, kind, mode, uid, gid, mtime, size }: Omit<
    ContentsEntry,
    "stored" | "sha256"
  >,
): Omit<ContentsEntry, "stored" | "sha256"> {
  return { path, kind, mode, uid, gid, mtime, size };
}

/** Small, and without holes: a few bytes of an archive can claim many. */
function isPlain({ size, parts }: Pick<TarEntry, "size" | "parts">): boolean {
  return size <= JSON_BYTES_MAX && parts === undefined;
}

async function whole(entry: BackupEntry): Promise<Uint8Array> {
  if (!isPlain(entry)) {
    throw damaged(`its ${entry.path} is not as it should be`);
  }
  return await collected(entry.stored());
}

async function collected(
  chunks: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of chunks) parts.push(new Uint8Array(chunk));
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function utf8(binary: string): string {
  return new TextDecoder().decode(
    Uint8Array.from(binary, (each) => each.charCodeAt(0)),
  );
}
