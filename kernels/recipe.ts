/**
 * How a kernel is made: every step that decides its bytes, and nothing else.
 *
 * This file is part of each cache key, so a change here builds all kernels anew.
 * Kernels are built inside of their source tree, where all paths the compiler
 * sees are relative; time, user, host and build number are fixed. So the bytes
 * depend on nothing but the inputs.
 *
 * @module
 */

import { Fault } from "../src/lib/fault.ts";
import {
  formatConfig,
  kconfigSymbols,
  lostOptions,
  type Options,
  parseConfig,
  unknownOptions,
} from "./options.ts";
import { run } from "./run.ts";

/** Where the tarball unpacks to, inside of the work folder. */
export const TREE = "linux-source-6.1";

/** The time of everything that has one; on purpose older than any build. */
const EPOCH = "2026-01-01 00:00:00 UTC";

const MAKE_ENV = {
  KBUILD_BUILD_TIMESTAMP: EPOCH,
  KBUILD_BUILD_USER: "volant",
  KBUILD_BUILD_HOST: "volant",
  KBUILD_BUILD_VERSION: "1",
} as const;

/** The initramfs of a baked kernel; the kernel's own gen_init_cpio reads it. */
const INITRAMFS_LIST = `dir /dev 0755 0 0
nod /dev/console 0600 0 0 c 5 1
dir /proc 0755 0 0
dir /sys 0755 0 0
dir /run 0755 0 0
dir /tmp 1777 0 0
dir /root 0700 0 0
file /init shim.elf 0755 0 0
`;

/** Folders of the tree in which only what was compiled is needed to link again. */
const BULKY_FOLDERS = [
  "arch",
  "block",
  "crypto",
  "Documentation",
  "drivers",
  "fs",
  "lib",
  "net",
  "samples",
  "security",
  "sound",
  "tools/testing",
  "tools/perf",
] as const;

/** Big files of the tree that every link makes anew. */
const LINKED_ANEW = ["vmlinux", "vmlinux.o", "vmlinux.a"] as const;

/** Unpacks the source into `folder`; manuals are left out but for what Kconfig reads. */
export async function unpackSource(
  tarball: string,
  patches: readonly string[],
  folder: string,
): Promise<string> {
  const tree = `${folder}/${TREE}`;
  await Deno.mkdir(folder, { recursive: true });
  await run([
    "tar",
    "-xf",
    tarball,
    "-C",
    folder,
    `--exclude=${TREE}/Documentation/*/*`,
  ]);
  for (const patch of patches) {
    await run(["patch", "-s", "-p1", "-i", patch], { cwd: tree });
  }
  return tree;
}

/** Makes `.config` of the options; a fault names each that did not survive. */
export async function configure(
  tree: string,
  wanted: Options,
): Promise<void> {
  await make(tree, ["tinyconfig"]);
  const tiny = parseConfig(await Deno.readTextFile(`${tree}/.config`));
  // What is off in tinyconfig must be said to be off, or a default may turn it
  // on; and of a choice the last one said wins, so the wishes come last.
  const rest = [...tiny].filter(([name]) => !wanted.has(name));
  await Deno.writeTextFile(
    `${tree}/.config`,
    formatConfig(new Map([...rest, ...wanted])),
  );
  await make(tree, ["olddefconfig"]);

  const config = parseConfig(await Deno.readTextFile(`${tree}/.config`));
  const symbols = await allSymbols(tree);
  const faults = [
    ...unknownOptions(wanted, symbols),
    ...lostOptions(wanted, config),
  ];
  if (faults.length === 0) return;
  throw new Fault(
    "build-failed",
    `Cannot configure the kernel: ${faults.length} options did not survive:\n` +
      faults.join("\n"),
    { hint: "Name what each depends on in a fragment, or remove it" },
  );
}

/** Compiles and links what is not up to date. */
export async function make(
  tree: string,
  targets: readonly string[],
): Promise<void> {
  const jobs = navigator.hardwareConcurrency;
  await run(["make", `-j${jobs}`, ...targets], { cwd: tree, env: MAKE_ENV });
}

/** Puts the shim where the next `make` bakes it in as /init. */
export async function placeShim(tree: string, shim: Uint8Array): Promise<void> {
  await Deno.writeFile(`${tree}/shim.elf`, shim, { mode: 0o755 });
  // gen_init_cpio writes this time into the kernel; make sees that there is a
  // new shim by the time of the list, which is written anew.
  await Deno.utime(`${tree}/shim.elf`, new Date(EPOCH), new Date(EPOCH));
  await Deno.writeTextFile(`${tree}/initramfs.list`, INITRAMFS_LIST);
}

/** Copies vmlinux without symbols; the PVH note is a segment of its own and stays. */
export async function copyVmlinux(tree: string, to: string): Promise<void> {
  await run(["strip", "-s", "-R", ".comment", "-o", to, `${tree}/vmlinux`]);
}

/** Packs a compiled tree, less the sources it will never compile. */
export async function packTree(tree: string, archive: string): Promise<void> {
  const used = await compiledFiles(tree);
  for (const bulky of BULKY_FOLDERS) {
    for await (const path of walk(`${tree}/${bulky}`)) {
      const name = path.slice(tree.length + 1);
      if (/\.(?:[chS]|dtsi?|rst|txt|json|yaml|asn1|uc)$/.test(name)) {
        if (!used.has(name)) await Deno.remove(path);
      }
    }
  }
  await run([
    "tar",
    ...LINKED_ANEW.map((name) => `--exclude=${TREE}/${name}`),
    "-I",
    "lz4",
    "-cf",
    archive,
    TREE,
  ], { cwd: tree.slice(0, -TREE.length) });
}

/** Brings a packed tree back to where it was compiled. */
export async function unpackTree(
  archive: string,
  folder: string,
): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  await run(["tar", "-I", "lz4", "-xf", archive, "-C", folder]);
  return `${folder}/${TREE}`;
}

/** Every file that make's own notes of what was compiled name. */
async function compiledFiles(tree: string): Promise<Set<string>> {
  const used = new Set<string>();
  for await (const path of walk(tree)) {
    if (!path.endsWith(".cmd")) continue;
    for (const word of (await Deno.readTextFile(path)).split(/[\s():$]+/)) {
      used.add(word.replace(/^\.\//, ""));
    }
  }
  return used;
}

async function allSymbols(tree: string): Promise<Set<string>> {
  const symbols = new Set<string>();
  for await (const path of walk(tree)) {
    if (!path.slice(path.lastIndexOf("/") + 1).startsWith("Kconfig")) continue;
    for (const symbol of kconfigSymbols(await Deno.readTextFile(path))) {
      symbols.add(symbol);
    }
  }
  return symbols;
}

async function* walk(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* walk(path);
    else if (entry.isFile) yield path;
  }
}
