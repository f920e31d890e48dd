/**
 * Root file systems for tests: busybox and a few folders, in every format a
 * manifest may name, made with the tools their users would take.
 */

import assert from "node:assert/strict";
import type { TmpVolant } from "./tmp_volant.ts";

/** Whoever has a folder to make it in. */
type Maker = Pick<TmpVolant, "folder">;

export type RootFormat =
  | "erofs"
  | "squashfs"
  | "ext4"
  | "xfs"
  | "btrfs"
  | "raw"
  | "qcow2";

const FOLDERS = ["bin", "etc", "proc", "sys", "dev", "data", "run/app", "tmp"];

/** Of the file systems that have a size; sparse. mkfs.xfs makes none smaller. */
const SIZE = "320M";

/** mkfs.xfs reads no folder, but this: see its manual, "protofile". */
const XFS_PROTOFILE = (busybox: string) =>
  `/none
0 0
d--755 0 0
bin d--755 0 0
busybox ---755 0 0 ${busybox}
sh l--777 0 0 busybox
$
etc d--755 0 0
$
proc d--755 0 0
$
sys d--755 0 0
$
dev d--755 0 0
$
data d--755 0 0
$
tmp d--755 0 0
$
$
`;

/** Makes the image in the folder of `volant` and resolves with its path. */
export async function rootImage(
  volant: Maker,
  format: RootFormat,
): Promise<string> {
  const tree = `${volant.folder}/root-tree`;
  const image = `${volant.folder}/root.${format}`;
  await makeTree(tree);
  if (format === "erofs") await run("mkfs.erofs", image, tree);
  else if (format === "squashfs") {
    await run("mksquashfs", tree, image, "-quiet", "-all-root", "-no-progress");
  } else if (format === "qcow2") {
    const raw = await rootImage(volant, "raw");
    await run("qemu-img", "convert", "-c", "-O", "qcow2", raw, image);
  } else {
    await run("truncate", "--size", SIZE, image);
    if (format === "xfs") {
      const proto = `${volant.folder}/protofile`;
      await Deno.writeTextFile(proto, XFS_PROTOFILE(`${tree}/bin/busybox`));
      await run("mkfs.xfs", "-q", "-p", proto, image);
    } else if (format === "btrfs") {
      await run("mkfs.btrfs", "-q", "--rootdir", tree, image);
    } else {
      await run("mke2fs", "-q", "-t", "ext4", "-d", tree, image);
    }
  }
  return image;
}

async function makeTree(tree: string): Promise<void> {
  for (const folder of FOLDERS) {
    await Deno.mkdir(`${tree}/${folder}`, { recursive: true });
  }
  await Deno.copyFile("/bin/busybox", `${tree}/bin/busybox`);
  await Deno.chmod(`${tree}/bin/busybox`, 0o755);
  await Deno.remove(`${tree}/bin/sh`).catch(() => {});
  await Deno.symlink("busybox", `${tree}/bin/sh`);
}

/** Runs a program of the host, which must end well; its standard output. */
export async function run(
  program: string,
  ...args: readonly string[]
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

export interface RootManifest {
  readonly name: string;
  readonly image: string;
  readonly format: RootFormat;
  /** Run by `/bin/sh -c`, with busybox's own commands. */
  readonly script: string;
  readonly workload?: Readonly<Record<string, unknown>>;
  /** Over the manifest as it would be. */
  readonly manifest?: Readonly<Record<string, unknown>>;
}

/** Writes a manifest beside the image and resolves with its path. */
export async function rootManifest(
  volant: Maker,
  { name, image, format, script, workload, manifest }: RootManifest,
): Promise<string> {
  const path = `${volant.folder}/${name}.json`;
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      schema_version: "v1",
      name,
      version: "1",
      runtime: name,
      resources: { memory_mb: 64, disk_mb: 256 },
      rootfs: { url: image, format },
      workload: { entrypoint: ["/bin/sh", "-c", script], ...workload },
      ...manifest,
    }),
  );
  return path;
}
