/**
 * Builds the guest kernels: `deno run -A kernels/build.ts --shim build/shim/shim --out build/kernels`.
 *
 * `vmlinux-generic` takes its initramfs from the VMM. `vmlinux-volant` and
 * `bzImage-volant` have the shim baked in. Each is cached by the hash of all that
 * goes into it, outside of the clone. A new shim does not compile a kernel: the
 * compiled tree is cached too, and only linked again.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { Fault } from "../src/lib/fault.ts";
import { cacheFolder, cacheKey, KernelCache } from "./cache.ts";
import { deliver } from "./deliver.ts";
import { mergeOptions, type Options, parseFragment } from "./options.ts";
import {
  configure,
  copyVmlinux,
  make,
  packTree,
  placeShim,
  TREE,
  unpackSource,
  unpackTree,
} from "./recipe.ts";
import { run } from "./run.ts";
import { findTarball, parsePin, type Pin } from "./source.ts";

const HERE = new URL(".", import.meta.url).pathname;
const KERNELS = ["generic", "volant"] as const;
const FRAGMENTS = {
  generic: ["base", "x86_64", "generic"],
  volant: ["base", "x86_64", "rootfs", "baked"],
} as const;
const PRODUCTS = {
  generic: ["vmlinux-generic"],
  volant: ["vmlinux-volant", "bzImage-volant"],
} as const;

type Kernel = typeof KERNELS[number];

export interface Request {
  readonly kernels: readonly Kernel[];
  readonly shim: string | undefined;
  readonly out: string;
}

/** What the command line asks for. */
export function parseRequest(args: string[]): Request {
  const { values } = parseArgs({
    args,
    options: {
      shim: { type: "string" },
      out: { type: "string", default: "build/kernels" },
      only: { type: "string" },
    },
  });
  const kernels = KERNELS.filter((kernel) =>
    values.only === undefined || values.only === kernel
  );
  if (kernels.length === 0) {
    throw new Fault(
      "invalid-input",
      `Cannot build kernel "${values.only}": it is not one of ${
        KERNELS.join(", ")
      }`,
    );
  }
  if (kernels.includes("volant") && values.shim === undefined) {
    throw new Fault("invalid-input", "Cannot bake a kernel: no shim is named", {
      hint: "Add --shim build/shim/shim, or --only generic",
    });
  }
  return { kernels, shim: values.shim, out: values.out };
}

/** All that decides the bytes of a compiled tree. */
interface Inputs {
  readonly kernel: Kernel;
  readonly pin: Pin;
  readonly wanted: Options;
  readonly patches: readonly string[];
  readonly treeKey: string;
}

async function readInputs(kernel: Kernel): Promise<Inputs> {
  const pin = parsePin(await Deno.readTextFile(`${HERE}version`));
  const parts: Record<string, string> = {
    sha256: pin.sha256,
    recipe: await Deno.readTextFile(`${HERE}recipe.ts`),
    compiler: await run(["cc", "--version"]),
    linker: await run(["ld", "--version"]),
  };
  const fragments: Options[] = [];
  for (const name of FRAGMENTS[kernel]) {
    const file = `${name}.config`;
    const text = await Deno.readTextFile(`${HERE}${file}`);
    fragments.push(parseFragment(file, text));
  }
  const wanted = mergeOptions(fragments);
  parts["options"] = JSON.stringify([...wanted].sort());
  const patches: string[] = [];
  for await (const { name } of Deno.readDir(`${HERE}patches`)) {
    if (!name.endsWith(".patch")) continue;
    patches.push(`${HERE}patches/${name}`);
    parts[name] = await Deno.readTextFile(`${HERE}patches/${name}`);
  }
  patches.sort();
  return { kernel, pin, wanted, patches, treeKey: cacheKey(parts) };
}

/** The source tree of this build: unpacked once, shared by the kernels. */
class Workshop {
  readonly cache: KernelCache;
  #tree: string | undefined;

  constructor(cache: KernelCache) {
    this.cache = cache;
  }

  async compile(inputs: Inputs, targets: readonly string[]): Promise<string> {
    const started = performance.now();
    const work = this.cache.workFolder;
    if (this.#tree === undefined) {
      const named = Deno.env.get("KERNEL_TARBALL");
      const tarball = await findTarball(inputs.pin, {
        cache: this.cache,
        named,
        installed: "/usr/src",
      });
      say(`unpacking ${inputs.pin.upstream}`);
      this.#tree = await unpackSource(tarball, inputs.patches, work);
    }
    await configure(this.#tree, inputs.wanted);
    say(`compiling the ${inputs.kernel} kernel, which takes minutes`);
    await make(this.#tree, targets);
    say(`compiled in ${Math.round((performance.now() - started) / 1000)} s`);
    return this.#tree;
  }

  treePath(): string {
    return `${this.cache.workFolder}/${TREE}`;
  }
}

async function buildGeneric(shop: Workshop, inputs: Inputs): Promise<string> {
  const found = await shop.cache.find("generic", inputs.treeKey);
  if (found !== undefined) return found;
  const tree = await shop.compile(inputs, ["vmlinux"]);
  return await shop.cache.store("generic", inputs.treeKey, async (folder) => {
    await copyVmlinux(tree, `${folder}/vmlinux-generic`);
    await keepForReaders(tree, folder);
  });
}

async function buildVolant(
  shop: Workshop,
  inputs: Inputs,
  shim: string,
): Promise<string> {
  const bytes = await Deno.readFile(shim).catch((cause: unknown) => {
    throw new Fault("file-not-found", `Cannot read shim "${shim}"`, {
      cause,
      hint: "Build it first: make shim",
    });
  });
  const key = cacheKey({ tree: inputs.treeKey, shim: bytes });
  const found = await shop.cache.find("volant", key);
  if (found !== undefined) return found;

  const tree = await compiledTree(shop, inputs, bytes);
  return await shop.cache.store("volant", key, async (folder) => {
    await copyVmlinux(tree, `${folder}/vmlinux-volant`);
    await Deno.copyFile(
      `${tree}/arch/x86/boot/bzImage`,
      `${folder}/bzImage-volant`,
    );
    await keepForReaders(tree, folder);
  });
}

/** The rootfs kernel's tree with this shim linked in. */
async function compiledTree(
  shop: Workshop,
  inputs: Inputs,
  shim: Uint8Array,
): Promise<string> {
  const packed = await shop.cache.find("tree", inputs.treeKey);
  if (packed !== undefined) {
    try {
      return await relinkedTree(shop, `${packed}/tree.tar.lz4`, shim);
    } catch (error) {
      // A host that changed in a way no key tells makes objects old that
      // cannot be compiled again out of a packed tree.
      say(`cannot link the kept kernel: ${error}; building it from nothing`);
      await Deno.remove(packed, { recursive: true });
      await shop.cache.clearWork();
    }
  }
  await Deno.mkdir(shop.treePath(), { recursive: true });
  await placeShim(shop.treePath(), shim);
  const tree = await shop.compile(inputs, ["bzImage"]);
  await shop.cache.store(
    "tree",
    inputs.treeKey,
    (folder) => packTree(tree, `${folder}/tree.tar.lz4`),
  );
  return tree;
}

async function relinkedTree(
  shop: Workshop,
  archive: string,
  shim: Uint8Array,
): Promise<string> {
  await shop.cache.clearWork();
  say("linking the volant kernel with a new shim");
  const tree = await unpackTree(archive, shop.cache.workFolder);
  await placeShim(tree, shim);
  await make(tree, ["bzImage"]);
  return tree;
}

/** For whoever profiles: symbols and the whole configuration. */
async function keepForReaders(tree: string, folder: string): Promise<void> {
  await Deno.copyFile(`${tree}/System.map`, `${folder}/System.map`);
  await Deno.copyFile(`${tree}/.config`, `${folder}/config`);
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`kernels: ${text}\n`));
}

async function main(args: string[]): Promise<void> {
  if (Deno.build.arch !== "x86_64") {
    throw new Fault(
      "not-supported",
      `Cannot build kernels on ${Deno.build.arch}: only x86_64 is built so far`,
    );
  }
  const request = parseRequest(args);
  using cache = await KernelCache.open(cacheFolder(Deno.env.toObject()));
  const shop = new Workshop(cache);
  await Deno.mkdir(request.out, { recursive: true });
  try {
    // All at once, so that a file changed meanwhile cannot belong to one key
    // and to the tree of another.
    const inputs = await Promise.all(request.kernels.map(readInputs));
    for (const input of inputs) {
      const folder = input.kernel === "generic"
        ? await buildGeneric(shop, input)
        : await buildVolant(shop, input, request.shim ?? "");
      for (const product of PRODUCTS[input.kernel]) {
        const to = `${request.out}/${product}`;
        const fresh = await deliver(`${folder}/${product}`, to);
        say(`${to} ${fresh ? "is ready" : "is up to date"}`);
      }
    }
  } finally {
    await cache.clearWork();
  }
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    say(error.message);
    if (error.cause instanceof Error) say(error.cause.message);
    if (error.hint !== undefined) say(error.hint);
    Deno.exit(1);
  }
}
