/**
 * mke2fs of the host: where it is, and what its version means for how it is
 * called. It prints its version on stderr and fails at `--version`, as no other
 * program does.
 *
 * @module
 */

import { execute, findProgram } from "./exec.ts";

export interface Mke2fs {
  readonly path: string;
  /** As it says, `1.47.0`; undefined if it says none. */
  readonly version: string | undefined;
}

/** Undefined when it is not on this host. */
export async function findMke2fs(): Promise<Mke2fs | undefined> {
  const path = await findProgram("mke2fs");
  if (path === undefined) return undefined;
  // One that cannot be run says why when it is to make a disk.
  const said = await execute(path, ["-V"]).catch(() => undefined);
  const version = /^mke2fs (\d+\.\d+\S*)/m.exec(said?.stderr ?? "")?.[1];
  return { path, version };
}

/** What Linux 6.1 knows; a newer mke2fs would take up more by itself. */
const FEATURES =
  "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
const BLOCK_BYTES = 4096;
/** Below this size files are taken to be small, as mke2fs does. */
const SMALL_MIB = 512;

/**
 * Arguments that make an ext4 of the sparse file `path`, and nothing depend on
 * the host's mke2fs.conf.
 */
export function mke2fsArgs(
  version: string | undefined,
  path: string,
  sizeMib: number,
): string[] {
  // A sparse file reads as zeroes: nothing need be written to say so, now or by
  // the guest's kernel later. Older ones leave it to that kernel.
  const zeroed = knowsPrezeroed(version)
    ? "assume_storage_prezeroed=1"
    : "lazy_itable_init=1";
  return [
    ...["-q", "-F", "-b", String(BLOCK_BYTES), "-I", "256"],
    ...["-i", sizeMib < SMALL_MIB ? "4096" : "16384"],
    ...["-m", "0", "-e", "remount-ro", "-O", FEATURES],
    ...["-E", `${zeroed},lazy_journal_init=1,nodiscard`],
    path,
  ];
}

/** Without it mke2fs reads /etc/mke2fs.conf. */
export const MKE2FS_ENV = { MKE2FS_CONFIG: "/dev/null" } as const;

/** Since e2fsprogs 1.47.0. */
function knowsPrezeroed(version: string | undefined): boolean {
  const [major = 0, minor = 0] = (version ?? "").split(".").map((part) =>
    parseInt(part, 10) || 0
  );
  return major > 1 || (major === 1 && minor >= 47);
}
