/**
 * Puts a busybox into the tree: the program at /bin/busybox and a link for
 * each of its applets that is wanted. Links go where nothing is yet, so a
 * mapped program keeps its name.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import { digestOfFile, download } from "./download.ts";
import { readElf } from "./elf.ts";
import type { BusyboxSource } from "./fledge_toml.ts";
import { hostFileOf, openForParts, pathFrom, statFile } from "./host_files.ts";
import { ROOT_OWNED, type RootTree } from "./tree.ts";

const BUSYBOX_PATH = "/bin/busybox";

/** What a shell script and a person at a console reach for. */
export const USUAL_APPLETS = (
  "[ ash awk basename cat chmod chown cp cut date dd df dirname dmesg du echo " +
  "env expr false find free grep gunzip gzip head hostname httpd id ifconfig " +
  "ip kill ln ls md5sum mkdir mknod mktemp mount mv nc nslookup ping poweroff " +
  "printf ps pwd reboot rm rmdir route sed sh sha256sum sleep sort stat stty " +
  "sync tail tar tee test top touch tr true udhcpc umount uname uniq vi wc " +
  "wget which xargs"
).split(" ");

export interface BusyboxOptions {
  readonly source: BusyboxSource;
  readonly applets: readonly string[] | undefined;
  readonly base: string;
  readonly cacheDir: string;
  readonly signal: AbortSignal;
}

export async function addBusybox(
  tree: RootTree,
  options: BusyboxOptions,
): Promise<void> {
  const path = await busyboxFile(options);
  const info = await statFile(path, "the busybox of this recipe");
  await checkStatic(path);
  tree.put(BUSYBOX_PATH, {
    kind: "file",
    mode: 0o755,
    ...ROOT_OWNED,
    content: hostFileOf(path, info),
  });
  for (const applet of options.applets ?? USUAL_APPLETS) {
    if (applet === "busybox") continue;
    tree.putIfFree(`/bin/${applet}`, {
      kind: "symlink",
      mode: 0o777,
      ...ROOT_OWNED,
      target: "busybox",
    });
  }
}

async function busyboxFile(options: BusyboxOptions): Promise<string> {
  const { source, base, cacheDir, signal } = options;
  if ("url" in source) return await download({ ...source, cacheDir, signal });
  const path = pathFrom(base, source.path);
  await statFile(path, "the busybox of this recipe");
  if (source.checksum === undefined) return path;
  const digest = await digestOfFile(path, signal);
  if (digest === source.checksum) return path;
  throw new Fault(
    "checksum-mismatch",
    `Cannot use busybox "${path}": its SHA-256 is ${digest}, not ${source.checksum}`,
    { hint: "Mend source.busybox_sha256, or name the right file" },
  );
}

/** A busybox that needs a loader would leave a guest without a shell. */
async function checkStatic(path: string): Promise<void> {
  using file = await openForParts(path);
  const elf = file && await readElf(file.readAt);
  if (elf !== undefined && elf.interpreter === undefined) return;
  throw new Fault(
    "build-failed",
    `Cannot use busybox "${path}": it is ${
      elf === undefined ? "not an ELF program" : "dynamically linked"
    }`,
    { hint: "Name a static one; Debian has it in the package busybox-static" },
  );
}
