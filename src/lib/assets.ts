/**
 * The programs a host needs beside Volant itself: guest kernels, shim, monitor
 * and the simulated VMM. The executable carries them compressed; they are unpacked once into
 * the state directory, by digest, so that copying one file is an install. Run
 * from source, they are taken from `build/`.
 *
 * Each file is written aside and renamed, so any number of processes may unpack
 * at the same time, and one that is killed leaves no half of a file behind
 * under its name. A file that is there already is checked before it is used.
 *
 * @module
 */

import { Fault } from "./fault.ts";
import { makeDir, removeIfThere, storageFault, writeAll } from "./files.ts";
import { type Executable, executable, type PackedAsset } from "./self.ts";

/** Absolute paths of the files, each ready to be used. */
export interface Assets {
  readonly vmlinuxGeneric: string;
  readonly vmlinuxVolant: string;
  readonly shim: string;
  readonly monitor: string;
  readonly simulated: string;
}

/** What each file is called, in the payload and where it is unpacked. */
export const ASSET_NAMES = {
  vmlinuxGeneric: "vmlinux-generic",
  vmlinuxVolant: "vmlinux-volant",
  shim: "shim",
  monitor: "monitor",
  simulated: "simulated",
} as const satisfies Record<keyof Assets, string>;

/** Where the Makefile leaves them, below `build/`. */
export const ASSET_SOURCES = {
  vmlinuxGeneric: "kernels/vmlinux-generic",
  vmlinuxVolant: "kernels/vmlinux-volant",
  shim: "shim/shim",
  monitor: "shim/monitor",
  simulated: "shim/simulated",
} as const satisfies Record<keyof Assets, string>;

/** Files and folders: a VMM that runs as another user reads them too. */
const MODE = 0o755;

/** Makes the files ready below `stateDir` and says where they are. */
export async function unpackAssets(stateDir: string): Promise<Assets> {
  const packed = executable();
  if (packed === undefined) return await builtAssets();
  const dir = `${stateDir}/assets/${await digestOfAll(packed)}`;
  await makeDir(stateDir, 0o711);
  await makeReadableDir(`${stateDir}/assets`);
  await makeReadableDir(dir);
  const paths: Record<string, string> = {};
  for (const [key, name] of Object.entries(ASSET_NAMES)) {
    const asset = packed.assets[name];
    if (asset === undefined) throw new Error(`no asset "${name}" was packed`);
    paths[key] = `${dir}/${name}`;
    await unpack(packed, asset, `${dir}/${name}`);
  }
  return paths as Record<keyof Assets, string>;
}

/**
 * Removes what other versions unpacked: machines they started need it no more,
 * and a version that comes back unpacks again.
 */
export async function removeOtherAssets(
  stateDir: string,
  { monitor }: Assets,
): Promise<void> {
  const folder = `${stateDir}/assets`;
  if (!monitor.startsWith(`${folder}/`)) return;
  const own = monitor.slice(folder.length + 1).split("/")[0];
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (name !== own) await removeIfThere(`${folder}/${name}`);
  }
}

/** One name for this set of files: it changes when any of them does. */
async function digestOfAll({ assets }: Executable): Promise<string> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  for (const name of Object.values(ASSET_NAMES).toSorted()) {
    hash.update(`${name} ${assets[name]?.sha256}\n`);
  }
  return hash.digest("hex").slice(0, 32);
}

async function unpack(
  packed: Executable,
  asset: PackedAsset,
  path: string,
): Promise<void> {
  if (await isIntact(path, asset)) return;
  const { promisify } = await import("node:util");
  const { zstdDecompress } = await import("node:zlib");
  const bytes = await promisify(zstdDecompress)(
    packed.read(asset.offset, asset.size),
  );
  if (await sha256(bytes) !== asset.sha256) {
    throw new Fault(
      "checksum-mismatch",
      `Cannot unpack "${path}": the executable is damaged`,
      { hint: "Copy the executable again" },
    );
  }
  const aside = `${path}.${crypto.randomUUID()}`;
  try {
    await writeDurably(aside, bytes);
    await Deno.rename(aside, path);
  } catch (error) {
    throw storageFault(error, "unpack", path);
  } finally {
    await removeIfThere(aside);
  }
}

/** Whether the file is there with the very bytes and mode it should have. */
async function isIntact(path: string, asset: PackedAsset): Promise<boolean> {
  try {
    const { size, mode } = await Deno.lstat(path);
    if (size !== asset.unpackedSize) return false;
    if (((mode ?? 0) & 0o777) !== MODE) return false;
    return await sha256(await Deno.readFile(path)) === asset.sha256;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw storageFault(error, "read", path);
  }
}

/** The umask has no say in the modes here. */
async function makeReadableDir(path: string): Promise<void> {
  await makeDir(path, MODE);
  try {
    await Deno.chmod(path, MODE);
  } catch (error) {
    throw storageFault(error, "make folder", path);
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  await writeAll(file, bytes);
  await Deno.chmod(path, MODE);
  await file.sync();
}

async function builtAssets(): Promise<Assets> {
  const build = new URL("../../build/", import.meta.url).pathname;
  const paths: Record<string, string> = {};
  for (const [key, name] of Object.entries(ASSET_SOURCES)) {
    const path = build + name;
    try {
      await Deno.lstat(path);
    } catch (cause) {
      throw new Fault(
        "file-not-found",
        `Cannot use "${path}": it is not built`,
        {
          cause,
          hint: "Run `make volant`",
        },
      );
    }
    paths[key] = path;
  }
  return paths as Record<keyof Assets, string>;
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const { createHash } = await import("node:crypto");
  return createHash("sha256").update(bytes).digest("hex");
}
