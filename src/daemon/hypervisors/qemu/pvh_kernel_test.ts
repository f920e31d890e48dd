import assert from "node:assert/strict";
import { run } from "../../../lib/exec.ts";
import { checkPvhKernel } from "./pvh_kernel.ts";

interface Elf {
  readonly headersAt?: bigint;
  readonly headerBytes?: number;
  readonly headerCount?: number;
  readonly notesAt?: bigint;
  readonly notesBytes?: bigint;
  readonly nameBytes?: number;
  readonly noteType?: number;
}

/** One program header at 64, and one note at 120, unless told otherwise. */
function elf(odd: Elf = {}): Uint8Array {
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x7f454c46);
  view.setUint8(4, 2);
  view.setUint16(18, Deno.build.arch === "aarch64" ? 183 : 62, true);
  view.setBigUint64(32, odd.headersAt ?? 64n, true);
  view.setUint16(54, odd.headerBytes ?? 56, true);
  view.setUint16(56, odd.headerCount ?? 1, true);
  view.setUint32(64, 4, true);
  view.setBigUint64(72, odd.notesAt ?? 120n, true);
  view.setBigUint64(96, odd.notesBytes ?? 20n, true);
  view.setUint32(120, odd.nameBytes ?? 4, true);
  view.setUint32(124, 4, true);
  view.setUint32(128, odd.noteType ?? 18, true);
  view.setUint32(132, 0x58656e00);
  return bytes;
}

async function withFile(
  bytes: Uint8Array,
  test: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, bytes);
    await test(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("checkPvhKernel() takes a kernel with the note", () =>
  withFile(elf(), checkPvhKernel));

const ODD: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ["an empty file", new Uint8Array(), /shorter than an ELF header/],
  ["a text", new Uint8Array(64).fill(0x61), /not an ELF file/],
  ["no PVH note", elf({ noteType: 1 }), /no PVH entry note/],
  ["headers at 2^63", elf({ headersAt: 1n << 63n }), /are cut off/],
  ["headers past its end", elf({ headersAt: 201n }), /are cut off/],
  ["notes at 2^64 - 1", elf({ notesAt: (1n << 64n) - 1n }), /no PVH entry/],
  ["2^64 - 1 bytes of notes", elf({ notesBytes: (1n << 64n) - 1n }), /no PVH/],
  ["headers of no size", elf({ headerBytes: 0 }), /not a kernel's/],
  ["65535 headers", elf({ headerCount: 65535 }), /not a kernel's/],
  ["a note's name of 4 GiB", elf({ nameBytes: 0xfffffff0 }), /no PVH entry/],
];
for (const [name, bytes, message] of ODD) {
  Deno.test(`checkPvhKernel() refuses a kernel that has, or is, ${name}`, () =>
    withFile(bytes, async (path) => {
      await assert.rejects(checkPvhKernel(path), {
        code: "invalid-kernel",
        message,
      });
    }));
}

Deno.test("checkPvhKernel() refuses what is not a regular file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await run("/usr/bin/mkfifo", [`${folder}/fifo`]);
    for (const path of ["/etc", "/dev/zero", `${folder}/fifo`]) {
      await assert.rejects(checkPvhKernel(path), {
        code: "file-not-found",
        message: `Cannot read kernel "${path}": it is not a regular file`,
      });
    }
    await assert.rejects(checkPvhKernel(`${folder}/none`), {
      code: "file-not-found",
      message: /it is not there/,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
