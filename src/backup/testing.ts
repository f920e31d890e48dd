/**
 * What the tests of backups share: a small one, in memory and in folders.
 *
 * @module
 */

import { encodeHeader, FORMAT_VERSION, HEADER_NAME } from "./format.ts";
import { BackupWriter, type Bytes, NOBODYS } from "./writer.ts";

export interface Folder extends AsyncDisposable {
  readonly path: string;
}

export async function testFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir({ prefix: "volant-backup-" });
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Writes a file with data at these places, each a block of its own byte. */
export async function writeSparse(
  path: string,
  size: number,
  blocks: readonly (readonly [offset: number, byte: number])[],
): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  await file.truncate(size);
  for (const [offset, byte] of blocks) {
    await file.seek(offset, Deno.SeekMode.Start);
    await file.write(new Uint8Array(4096).fill(byte));
  }
}

/** A backup of a folder below `vms`, and of what `more` adds. */
export async function* backupOf(
  folder: string,
  more: (writer: BackupWriter) => Bytes = async function* () {},
): Bytes {
  const writer = new BackupWriter();
  const header = {
    format: FORMAT_VERSION,
    volant: "1.0.0",
    schema: 1,
    created_at: "2026-01-01T00:00:00.000Z",
    artifacts: true,
  };
  yield* writer.bytes(HEADER_NAME, encodeHeader(header), NOBODYS);
  yield* writer.tree("vms", folder);
  yield* more(writer);
  yield* writer.end();
}

export async function collected(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(ReadableStream.from(chunks)).bytes();
}

/** The bytes in pieces of an odd size. */
export async function* pieces(
  bytes: Uint8Array,
  size = 1009,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield await Promise.resolve(bytes.subarray(at, at + size));
  }
}
