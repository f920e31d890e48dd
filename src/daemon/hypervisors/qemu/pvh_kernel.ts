/**
 * Tells a kernel that QEMU can enter directly from one that it cannot, before
 * a machine is started with it: QEMU's own words for this do not help.
 *
 * @module
 */

import { Fault } from "../../../lib/fault.ts";
import { openRegularFile } from "../../../lib/files.ts";

/** Owner "Xen", type 18: the 32-bit physical entry (xen/elfnote.h). */
const PVH_NOTE = 18;
const PT_NOTE = 4;
const PROGRAM_HEADER_BYTES = 56;
/** A vmlinux has about five. */
const PROGRAM_HEADERS_MAX = 64;
const NOTES_BYTES_MAX = 65536;
const HINT =
  "Give an uncompressed 64-bit vmlinux built with CONFIG_PVH=y, or leave --kernel out";

/** Throws `file-not-found` and `invalid-kernel`, whatever the file is. */
export async function checkPvhKernel(path: string): Promise<void> {
  using file = await openRegularFile(path, {
    what: "kernel",
    hint: "Check the path",
  });
  const reason = await refusal(file).catch((cause) => {
    throw new Fault(
      "file-not-found",
      `Cannot read kernel "${path}": ${cause.message}`,
      { cause, hint: "Check the path, and the disk it is on" },
    );
  });
  if (reason === undefined) return;
  throw new Fault(
    "invalid-kernel",
    `Cannot boot kernel "${path}": ${reason}`,
    { hint: HINT },
  );
}

async function refusal(file: Deno.FsFile): Promise<string | undefined> {
  const header = await readAt(file, 0, 64);
  if (header === undefined) return "it is shorter than an ELF header";
  if (header.getUint32(0) !== 0x7f454c46) {
    return "it is not an ELF file (a bzImage is compressed)";
  }
  const EM_X86_64 = 62, EM_AARCH64 = 183;
  const machine = header.getUint16(18, true);
  const wanted = Deno.build.arch === "aarch64" ? EM_AARCH64 : EM_X86_64;
  if (header.getUint8(4) !== 2 || machine !== wanted) {
    return `it is not a 64-bit ELF of this host's architecture`;
  }
  const size = header.getUint16(54, true);
  const count = header.getUint16(56, true);
  if (size !== PROGRAM_HEADER_BYTES || count > PROGRAM_HEADERS_MAX) {
    return "its program headers are not a kernel's";
  }
  const headers = await readAt(
    file,
    Number(header.getBigUint64(32, true)),
    count * size,
  );
  if (headers === undefined) return "its program headers are cut off";
  for (let at = 0; at < headers.byteLength; at += size) {
    if (headers.getUint32(at, true) !== PT_NOTE) continue;
    const start = Number(headers.getBigUint64(at + 8, true));
    const bytes = Number(headers.getBigUint64(at + 32, true));
    const notes = await readAt(file, start, Math.min(bytes, NOTES_BYTES_MAX));
    if (notes !== undefined && hasPvhNote(notes)) return undefined;
  }
  return "it has no PVH entry note";
}

function hasPvhNote(notes: DataView): boolean {
  for (let at = 0; at + 12 <= notes.byteLength;) {
    const nameSize = notes.getUint32(at, true);
    const descSize = notes.getUint32(at + 4, true);
    const type = notes.getUint32(at + 8, true);
    const isXen = nameSize === 4 && at + 16 <= notes.byteLength &&
      notes.getUint32(at + 12) === 0x58656e00;
    if (isXen && type === PVH_NOTE) return true;
    at += 12 + align(nameSize) + align(descSize);
  }
  return false;
}

/** Without bit operations: those make sizes from 2 GiB on negative. */
function align(size: number): number {
  return Math.ceil(size / 4) * 4;
}

/** Undefined where the file ends before; `offset` is any number it claims. */
async function readAt(
  file: Deno.FsFile,
  offset: number,
  size: number,
): Promise<DataView | undefined> {
  if (offset + size > (await file.stat()).size) return undefined;
  const bytes = new Uint8Array(size);
  await file.seek(offset, Deno.SeekMode.Start);
  for (let done = 0; done < size;) {
    const count = await file.read(bytes.subarray(done));
    if (count === null) return undefined;
    done += count;
  }
  return new DataView(bytes.buffer);
}
