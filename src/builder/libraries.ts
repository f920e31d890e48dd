/**
 * Adds to the tree what its dynamic programs need: the loader and the shared
 * libraries, found as the loader of the guest will look for them, by reading
 * ELF files ourselves. `ldd` would run the program, and know only this host.
 *
 * A library comes to lie where it was found. One that this host finds only
 * by its ld.so.conf goes beside libc instead, as the guest has no such file.
 * What a program loads by name while it runs (`dlopen`) cannot be seen here
 * and needs a mapping.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import { type ElfInfo, type ReadAt, readElf } from "./elf.ts";
import { folderOf, hostFileOf, nameOf, openForParts } from "./host_files.ts";
import { configuredFolders } from "./ld_so_conf.ts";
import {
  type FileEntry,
  guestPath,
  type HostFile,
  ROOT_OWNED,
  type RootTree,
} from "./tree.ts";

const MULTIARCH_BY_MACHINE: Readonly<Record<number, string>> = {
  3: "i386-linux-gnu",
  40: "arm-linux-gnueabihf",
  62: "x86_64-linux-gnu",
  183: "aarch64-linux-gnu",
  243: "riscv64-linux-gnu",
};

export interface LibraryContext {
  /** Root of the host's file tree, `/`; another one in tests. */
  readonly hostRoot: string;
  readonly signal: AbortSignal;
}

/** A file of the tree that is looked at. */
interface Subject {
  readonly path: string;
  readonly content: Uint8Array | HostFile;
  readonly elf: ElfInfo;
  /** DT_RPATH of whoever needs it: the loader asks those too. */
  readonly inherited: readonly Place[];
}

/** A folder to look in: where the guest has it, and the host. */
interface Place {
  readonly guest: string;
  readonly host: string;
}

/** Adds all that is missing; the paths added, in order. */
export async function addLibraries(
  tree: RootTree,
  context: LibraryContext,
): Promise<string[]> {
  const extra = await configuredFolders(context.hostRoot);
  const finder = new LibraryFinder(tree, context.hostRoot, extra);
  const pending: Subject[] = [];
  for (const [path, entry] of tree.sorted()) {
    context.signal.throwIfAborted();
    const subject = entry.kind === "file"
      ? await subjectOf(path, entry.content, [])
      : undefined;
    if (subject !== undefined) pending.push(subject);
  }
  const seen = new Set<string>();
  for (let subject = pending.shift(); subject; subject = pending.shift()) {
    context.signal.throwIfAborted();
    if (seen.has(subject.path)) continue;
    seen.add(subject.path);
    pending.push(...await finder.needsOf(subject));
  }
  return finder.added;
}

/**
 * Programs of the tree whose loader is not in it: they cannot run there.
 */
export async function programsWithoutLoader(tree: RootTree): Promise<string[]> {
  const programs: string[] = [];
  for (const [path, entry] of tree.sorted()) {
    if (entry.kind !== "file") continue;
    const loader = (await elfOf(entry.content))?.interpreter;
    if (loader === undefined) continue;
    if (tree.get(tree.resolve(loader)) === undefined) programs.push(path);
  }
  return programs;
}

class LibraryFinder {
  readonly added: string[] = [];
  readonly #tree: RootTree;
  readonly #hostRoot: string;
  /** Names of loaders in the tree; libraries name them as needed, too. */
  readonly #loaders = new Set<string>();
  readonly #extra: readonly string[];

  constructor(tree: RootTree, hostRoot: string, extra: readonly string[]) {
    this.#tree = tree;
    this.#hostRoot = hostRoot === "/" ? "" : hostRoot;
    this.#extra = extra;
  }

  /** Adds what one file needs and hands it back, to be looked at in turn. */
  async needsOf(subject: Subject): Promise<Subject[]> {
    const found: Subject[] = [];
    const { interpreter, needed } = subject.elf;
    const rpath = placesOf(subject.elf.rpath, subject, this.#hostRoot);
    const hasRunpath = subject.elf.runpath.length > 0;
    const inherited = [...(hasRunpath ? [] : rpath), ...subject.inherited];
    if (interpreter !== undefined) {
      this.#loaders.add(nameOf(interpreter));
      const loader = await this.#loader(interpreter, subject);
      if (loader !== undefined) found.push(loader);
    }
    for (const name of needed) {
      if (isMuslItself(name) || this.#loaders.has(name)) continue;
      const library = await this.#library(name, subject, inherited);
      if (library !== undefined) found.push(library);
    }
    return found;
  }

  async #loader(path: string, of: Subject): Promise<Subject | undefined> {
    const place = guestPath(path);
    if (this.#tree.get(this.#tree.resolve(place)) !== undefined) return;
    const added = await this.#add(place, this.#hostRoot + place, of, []);
    if (added === undefined) throw missing("loader", path, of);
    return added;
  }

  async #library(
    name: string,
    of: Subject,
    inherited: readonly Place[],
  ): Promise<Subject | undefined> {
    for (const place of this.#places(name, of, inherited)) {
      const path = `${place.guest}/${nameOf(name)}`;
      const inTree = this.#tree.resolve(path);
      const entry = this.#tree.get(inTree);
      if (entry?.kind === "file") {
        const there = await subjectOf(inTree, entry.content, inherited);
        if (there !== undefined && isSameKind(there.elf, of.elf)) return there;
        continue;
      }
      const host = `${place.host}/${nameOf(name)}`;
      const added = await this.#add(path, host, of, inherited);
      if (added !== undefined) return added;
    }
    throw missing("library", name, of);
  }

  #places(
    name: string,
    of: Subject,
    inherited: readonly Place[],
  ): readonly Place[] {
    if (name.includes("/")) {
      const guest = guestPath(folderOf(name));
      return [{ guest, host: this.#hostRoot + guest }];
    }
    const standard = standardFolders(of.elf)
      .map((guest) => ({ guest, host: this.#hostRoot + guest }));
    const beside =
      standard.find(({ guest }) =>
        this.#tree.get(this.#tree.resolve(`${guest}/libc.so.6`)) !== undefined
      ) ?? standard[0];
    const configured = beside === undefined ? [] : this.#extra
      .map((folder) => ({
        guest: beside.guest,
        host: this.#hostRoot + folder,
      }));
    // A file with a DT_RUNPATH of its own takes no DT_RPATH into account.
    const own = of.elf.runpath.length > 0
      ? placesOf(of.elf.runpath, of, this.#hostRoot)
      : inherited;
    return [...own, ...standard, ...configured];
  }

  /** Takes a file of the host if it is there and of the right kind. */
  async #add(
    path: string,
    host: string,
    of: Subject,
    inherited: readonly Place[],
  ): Promise<Subject | undefined> {
    const info = await Deno.stat(host).catch(() => undefined);
    if (info === undefined || !info.isFile) return undefined;
    const content = hostFileOf(host, info);
    const place = this.#tree.resolve(path);
    const subject = await subjectOf(place, content, inherited);
    if (subject === undefined || !isSameKind(subject.elf, of.elf)) {
      return undefined;
    }
    const file: FileEntry = {
      kind: "file",
      mode: 0o755,
      ...ROOT_OWNED,
      content,
    };
    this.#tree.put(place, file);
    this.added.push(place);
    return subject;
  }
}

/** musl's libc is its loader, which is in the tree under its own name. */
function isMuslItself(name: string): boolean {
  return name === "libc.so" || /^libc\.musl-.*\.so\.1$/.test(name);
}

function isSameKind(a: ElfInfo, b: ElfInfo): boolean {
  return a.bits === b.bits && a.machine === b.machine;
}

/** The folders a loader knows by itself. */
function standardFolders({ bits, machine }: ElfInfo): string[] {
  const multiarch = MULTIARCH_BY_MACHINE[machine];
  return [
    ...(multiarch === undefined
      ? []
      : [`/lib/${multiarch}`, `/usr/lib/${multiarch}`]),
    ...(bits === 64 ? ["/lib64", "/usr/lib64"] : ["/lib32", "/usr/lib32"]),
    "/lib",
    "/usr/lib",
  ];
}

/** Search paths as written in a file, with `$ORIGIN` as guest and host see it. */
function placesOf(
  paths: readonly string[],
  subject: Subject,
  hostRoot: string,
): Place[] {
  const { content } = subject;
  const hostOrigin = content instanceof Uint8Array
    ? undefined
    : folderOf(content.path);
  return paths.flatMap((path) => {
    const hasOrigin = /\$(?:ORIGIN|\{ORIGIN\})/.test(path);
    if (!hasOrigin) {
      // Relative to wherever the program is started: not to be relied on.
      if (!path.startsWith("/")) return [];
      return [{ guest: path, host: hostRoot + path }];
    }
    if (hostOrigin === undefined) return [];
    const guest = withOrigin(path, folderOf(subject.path));
    return [{ guest, host: withOrigin(path, hostOrigin) }];
  });
}

function withOrigin(path: string, origin: string): string {
  const full = path.replace(/\$(?:ORIGIN|\{ORIGIN\})/g, () => origin);
  const names: string[] = [];
  for (const name of full.split("/")) {
    if (name === "" || name === ".") continue;
    if (name === "..") names.pop();
    else names.push(name);
  }
  return `/${names.join("/")}`;
}

async function subjectOf(
  path: string,
  content: Uint8Array | HostFile,
  inherited: readonly Place[],
): Promise<Subject | undefined> {
  const elf = await elfOf(content);
  return elf && { path, content, elf, inherited };
}

async function elfOf(
  content: Uint8Array | HostFile,
): Promise<ElfInfo | undefined> {
  if (content instanceof Uint8Array) return await readElf(partsOf(content));
  using file = await openForParts(content.path);
  return file && await readElf(file.readAt);
}

function partsOf(bytes: Uint8Array): ReadAt {
  return (offset, length) =>
    Promise.resolve(bytes.subarray(offset, offset + length));
}

function missing(what: string, name: string, of: Subject): Fault {
  return new Fault(
    "build-failed",
    `Cannot find the ${what} "${name}", which "${of.path}" needs`,
    {
      hint: "Install the package that has it, or map it yourself, " +
        "or set resolve_libs = false",
    },
  );
}
