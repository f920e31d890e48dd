/**
 * The files an image lies in on a disk: those of a folder, or those of a tar
 * archive, found by an index of where each begins and never unpacked.
 *
 * @module
 */

import { openRegularFile } from "../../lib/files.ts";
import { type ByteInput, truncated } from "../../archive/byte_source.ts";
import { quoted } from "../../archive/problem.ts";
import { damaged, ImageProblem } from "./image_problem.ts";
import { TarReader } from "../../archive/tar_reader.ts";

/** The bytes of one file; `chunks` gives them anew each time it is called. */
export interface FileBytes {
  readonly size: number;
  chunks(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface ImageFiles {
  /** A file by its path in the image's folder; undefined if it is not there. */
  find(path: string): Promise<FileBytes | undefined>;
}

const CHUNK_BYTES = 256 * 1024;

/** An image has some files for each layer; an index of more is no image's. */
const ARCHIVE_ENTRIES_MAX = 100_000;

const LINKS_MAX = 8;

const HINT = "Name a file or folder that holds an image";

export function folderFiles(folder: string): ImageFiles {
  return {
    async find(path) {
      const full = `${folder}/${path}`;
      try {
        const { isFile, size } = await Deno.stat(full);
        if (!isFile) throw damaged(`"${path}" in it is no regular file`);
        return part(full, 0, size);
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
  };
}

type Place =
  | { readonly offset: number; readonly size: number }
  | { readonly target: string };

/** Reads the archive's headers, leaping over all contents. */
export async function archiveFiles(
  path: string,
  signal: AbortSignal,
): Promise<ImageFiles> {
  using file = await openRegularFile(path, { what: "image", hint: HINT });
  const input = new FileInput(file, (await file.stat()).size);
  await refuseCompressed(input);
  const places = new Map<string, Place>();
  const reader = new TarReader(input);
  for (;;) {
    signal.throwIfAborted();
    const entry = await reader.next();
    if (entry === undefined) break;
    if (places.size >= ARCHIVE_ENTRIES_MAX) {
      throw damaged(`the archive has more than ${ARCHIVE_ENTRIES_MAX} files`);
    }
    const name = normal(entry.name);
    if (entry.kind === "file") {
      places.set(name, { offset: input.position, size: entry.size });
    } else if (entry.kind === "symlink") {
      places.set(name, { target: normal(`${name}/../${entry.linkName}`) });
    } else if (entry.kind === "link") {
      places.set(name, { target: normal(entry.linkName) });
    }
  }
  return {
    find: (name) => Promise.resolve(findPlace(path, places, normal(name))),
  };
}

/** Old `docker save` writes a layer once and links to it elsewhere. */
function findPlace(
  path: string,
  places: ReadonlyMap<string, Place>,
  name: string,
): FileBytes | undefined {
  let place = places.get(name);
  for (let links = 0; links < LINKS_MAX; links++) {
    if (place === undefined) return undefined;
    if ("offset" in place) return part(path, place.offset, place.size);
    place = places.get(place.target);
  }
  throw damaged(`the links of ${quoted(name)} in it go in circles`);
}

/** `./a/../b` is b; `..` never leads out of the archive. */
function normal(name: string): string {
  const names: string[] = [];
  for (const each of name.split("/")) {
    if (each === "..") names.pop();
    else if (each !== "" && each !== ".") names.push(each);
  }
  return names.join("/");
}

async function refuseCompressed(input: FileInput): Promise<void> {
  const start = await input.some(4);
  input.position = 0;
  const [first, second] = start ?? [];
  const program = first === 0x1f && second === 0x8b
    ? "gunzip"
    : first === 0x28 && second === 0xb5
    ? "unzstd"
    : first === 0xfd && second === 0x37
    ? "unxz"
    : undefined;
  if (program === undefined) return;
  throw new ImageProblem("not-supported", "the archive itself is compressed", {
    hint: `Unpack it with ${program} first`,
  });
}

function part(path: string, offset: number, size: number): FileBytes {
  return { size, chunks: (signal) => readPart(path, offset, size, signal) };
}

async function* readPart(
  path: string,
  offset: number,
  size: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  using file = await openRegularFile(path, { what: "image", hint: HINT });
  await file.seek(offset, Deno.SeekMode.Start);
  for (let left = size; left > 0;) {
    signal.throwIfAborted();
    // A buffer of its own for each: a decoder may keep some of them.
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, left));
    const count = await file.read(buffer);
    if (count === null) throw truncated();
    left -= count;
    yield buffer.subarray(0, count);
  }
}

/** A file read where it is looked at, in which skipping costs nothing. */
class FileInput implements ByteInput {
  position = 0;
  readonly #file: Deno.FsFile;
  readonly #size: number;

  constructor(file: Deno.FsFile, size: number) {
    this.#file = file;
    this.#size = size;
  }

  async take(length: number): Promise<Uint8Array | undefined> {
    return this.position === this.#size ? undefined : await this.need(length);
  }

  async need(length: number): Promise<Uint8Array> {
    if (this.position + length > this.#size) throw truncated();
    const buffer = new Uint8Array(length);
    await this.#file.seek(this.position, Deno.SeekMode.Start);
    for (let done = 0; done < length;) {
      const count = await this.#file.read(buffer.subarray(done));
      if (count === null) throw truncated();
      done += count;
    }
    this.position += length;
    return buffer;
  }

  async some(most: number): Promise<Uint8Array | undefined> {
    const length = Math.min(most, CHUNK_BYTES, this.#size - this.position);
    return length === 0 ? undefined : await this.need(length);
  }

  skip(length: number): Promise<void> {
    if (this.position + length > this.#size) return Promise.reject(truncated());
    this.position += length;
    return Promise.resolve();
  }

  skipIfThere(length: number): Promise<number> {
    const there = Math.min(length, this.#size - this.position);
    this.position += there;
    return Promise.resolve(length - there);
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}
