/**
 * Which permissions a mapped file gets in the guest. The original's rules,
 * always judged by where the file comes to lie, also inside a mapped folder:
 * what anyone may execute stays executable, what lies where programs or libraries do
 * becomes so, all else is plain.
 *
 * @module
 */

const PROGRAM_FOLDERS = [
  "/bin/",
  "/sbin/",
  "/usr/bin/",
  "/usr/sbin/",
  "/usr/local/bin/",
  "/usr/local/sbin/",
  "/opt/bin/",
  "/opt/sbin/",
] as const;

const LIBRARY_FOLDERS = [
  "/lib/",
  "/lib64/",
  "/usr/lib/",
  "/usr/lib64/",
  "/usr/local/lib/",
  "/usr/local/lib64/",
] as const;

export const DIRECTORY_MODE = 0o755;

/** The mode of a file whose mode on the host is `hostMode`, at `path` in the guest. */
export function modeOfMappedFile(hostMode: number, path: string): number {
  // Who may read, write or execute on the host depends on the umask of whoever
  // cloned the files, and setuid on who built; the artifact's bytes must not.
  if ((hostMode & 0o111) !== 0) return 0o755;
  if (PROGRAM_FOLDERS.some((folder) => path.startsWith(folder))) return 0o755;
  const name = path.slice(path.lastIndexOf("/") + 1);
  const isLibrary = name.endsWith(".so") || name.includes(".so.");
  if (
    isLibrary && LIBRARY_FOLDERS.some((folder) => path.startsWith(folder))
  ) return 0o755;
  return 0o644;
}
