/**
 * An initramfs of shim and busybox, put together here so that a test of the
 * shim needs nothing of the builder.
 *
 * @module
 */

import { built, source } from "./built.ts";

/** A file of the initramfs: its bytes, or what a symbolic link points to. */
export type InitramfsFile =
  | { readonly bytes: Uint8Array; readonly mode: number }
  | { readonly link: string };

export type InitramfsFiles = Readonly<Record<string, InitramfsFile>>;

const DIRECTORY = 0o040755;
const REGULAR = 0o100000;
const SYMLINK = 0o120777;

/** What the scripts of the tests call. */
const APPLETS =
  "awk cat cp cut date dd echo env grep hostname id ip kill ls mount mv ps sed sh sleep stat sync tail touch true umount wc"
    .split(" ");

/** The shim as /init, and busybox with its commands. */
export async function baseFiles(): Promise<InitramfsFiles> {
  const files: Record<string, InitramfsFile> = {
    init: { bytes: await Deno.readFile(built("shim/shim")), mode: 0o755 },
    "bin/busybox": {
      bytes: await Deno.readFile("/bin/busybox"),
      mode: 0o755,
    },
  };
  for (const name of APPLETS) files[`bin/${name}`] = { link: "busybox" };
  return files;
}

/** Compiles `tests/fixtures/guest/NAME.c` for a guest: static. */
export async function guestProgram(name: string): Promise<InitramfsFile> {
  const path = await Deno.makeTempFile({ prefix: "volant-test-" });
  try {
    const { success, stderr } = await new Deno.Command("musl-gcc", {
      args: [
        ..."-std=gnu17 -static -Os -Wall -Wextra -Werror -o".split(" "),
        path,
        source(`tests/fixtures/guest/${name}.c`),
      ],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return { bytes: await Deno.readFile(path), mode: 0o755 };
  } finally {
    await Deno.remove(path);
  }
}

/** The files as a cpio archive ("newc"), with the folders they lie in. */
export function cpio(files: InitramfsFiles): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const chunks: Uint8Array[] = [];
  const entry = (name: string, mode: number, bytes: Uint8Array) => {
    const path = encoder.encode(`${name}\0`);
    const fields = [chunks.length + 1, mode, 0, 0, 1, 0, bytes.length];
    fields.push(0, 0, 0, 0, path.length, 0);
    const header = fields.map((field) => field.toString(16).padStart(8, "0"));
    chunks.push(encoder.encode(`070701${header.join("")}`), path);
    chunks.push(new Uint8Array(-(110 + path.length) & 3));
    chunks.push(bytes, new Uint8Array(-bytes.length & 3));
  };
  const folders = new Set<string>();
  for (const [name, file] of Object.entries(files)) {
    const parts = name.split("/");
    for (let count = 1; count < parts.length; count++) {
      const folder = parts.slice(0, count).join("/");
      if (!folders.has(folder)) entry(folder, DIRECTORY, new Uint8Array());
      folders.add(folder);
    }
    if ("link" in file) entry(name, SYMLINK, encoder.encode(file.link));
    else entry(name, REGULAR | file.mode, file.bytes);
  }
  entry("TRAILER!!!", 0, new Uint8Array());
  return concat(chunks);
}

function concat(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(
    chunks.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
