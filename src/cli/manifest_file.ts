/**
 * Reads a manifest from a file for a daemon that may run in another folder.
 *
 * Paths in a manifest file are relative to the file; they are made absolute
 * here, where the file's folder is known. This module brings the schemas with
 * it: import it only when a manifest is read.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import type { Artifact, Disk, Manifest } from "../manifest/manifest.ts";
import { type ManifestSource, parseManifest } from "../manifest/parse.ts";

/** The manifest in the file at `path`; `-` is stdin. */
export async function readManifestFile(path: string): Promise<Manifest> {
  const text = path === "-"
    ? await new Response(Deno.stdin.readable).text()
    : await readText(path);
  const format = formatOf(path, text);
  const manifest = parseManifest(text, { name: path, format });
  return withAbsolutePaths(manifest, folderOf(absolutePath(path, Deno.cwd())));
}

async function readText(path: string): Promise<string> {
  try {
    if (await isBinary(path)) {
      throw new Fault(
        "invalid-manifest",
        `Cannot read manifest "${path}": it is an artifact or another binary file`,
        {
          hint:
            `Name the manifest that was built with it: ${path}.manifest.json`,
        },
      );
    }
    return await Deno.readTextFile(path);
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw unreadable(path, "manifest", cause);
  }
}

/** Whether a file begins as no text does: a cpio archive's magic, or no UTF-8. */
async function isBinary(path: string): Promise<boolean> {
  // Of a pipe, bytes that are read to look at them are gone.
  if (!(await Deno.stat(path)).isFile) return false;
  using file = await Deno.open(path);
  const buffer = new Uint8Array(4_096);
  const count = await file.read(buffer) ?? 0;
  try {
    const head = new TextDecoder("utf-8", { fatal: true })
      .decode(buffer.subarray(0, count), { stream: true });
    return head.startsWith("07070") || head.includes("\0");
  } catch (error) {
    if (error instanceof TypeError) return true;
    throw error;
  }
}

/** The fault for a file of the user's that cannot be read. */
export function unreadable(path: string, what: string, cause: unknown): Fault {
  const isAbsent = cause instanceof Deno.errors.NotFound;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Fault(
    "file-not-found",
    `Cannot read ${what} "${path}": ${isAbsent ? "it does not exist" : reason}`,
    { cause, hint: "Name a file that exists and that you may read" },
  );
}

/** By the name's end, else by how the text begins. */
export function formatOf(path: string, text: string): ManifestSource["format"] {
  if (/\.toml$/i.test(path)) return "toml";
  if (/\.json$/i.test(path)) return "json";
  return /^\ufeff?\s*\{/.test(text) ? "json" : "toml";
}

/** The manifest with every relative path of a host file below `folder`. */
export function withAbsolutePaths(
  manifest: Manifest,
  folder: string,
): Manifest {
  return withPlaces(
    manifest,
    (where) => isRelativePath(where) ? absolutePath(where, folder) : where,
  );
}

/** The manifest with every place of a file as `place` gives it. */
export function withPlaces(
  manifest: Manifest,
  place: (where: string) => string,
): Manifest {
  const { initramfs, rootfs, disks } = manifest;
  const artifact = <A extends Artifact>(one: A): A => ({
    ...one,
    url: place(one.url),
  });
  return {
    ...manifest,
    ...(initramfs && { initramfs: artifact(initramfs) }),
    ...(rootfs && { rootfs: artifact(rootfs) }),
    disks: disks.map((disk): Disk => ({ ...disk, source: place(disk.source) })),
  };
}

function isRelativePath(where: string): boolean {
  return !/^(?:\/|[a-z][a-z0-9+.-]*:\/\/|sha256:)/i.test(where);
}

export function absolutePath(path: string, folder: string): string {
  if (path.startsWith("/")) return path;
  return `${folder === "/" ? "" : folder}/${path.replace(/^(?:\.\/+)+/, "")}`;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
