/**
 * Bundles the program into an entry and parts that are loaded on demand.
 *
 * `deno bundle` resolves and splits: each `import()` begins a part, and what
 * several need becomes a part of its own. esbuild then turns each part from a
 * module into a CommonJS function, which the start script (`prelude.ts`) can
 * evaluate without Deno's module loader. Parts are renamed by the order in
 * which they are met, since their first names depend on where caches lie.
 *
 * @module
 */

import * as esbuild from "npm:esbuild@0.25.5";
import type { PayloadIndex } from "./payload.ts";

/** A program split into parts, each as JavaScript. */
export interface Bundle {
  /** The entry, a module; its imports are still to be linked. */
  readonly entry: string;
  /** The other parts by name, as bodies of CommonJS functions. */
  readonly parts: ReadonlyMap<string, string>;
  /** From the file names the entry imports to the names of parts. */
  readonly names: ReadonlyMap<string, string>;
}

const PART_REGEXP = /"\.\/([\w.-]+\.js)"/g;
const HASH_REGEXP = /-[0-9A-Z]{8}\.js$/;

const OUTPUT: esbuild.CommonOptions = {
  charset: "ascii", // one byte a character in memory
  legalComments: "eof",
  logLevel: "error",
  logOverride: { "empty-import-meta": "silent" },
  platform: "node",
  target: "esnext",
};

/** Bundles the program that begins at `main`, by the deno.json at `config`. */
export async function bundle(main: string, config: string): Promise<Bundle> {
  const dir = await Deno.makeTempDir({ prefix: "volant-bundle-" });
  try {
    await runDenoBundle(main, config, dir);
    const entry = main.replace(/^.*\//, "").replace(/\.ts$/, ".js");
    return await convert(dir, entry);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The start script: prelude with its index, then the entry. */
export async function linkEntry(
  { entry, names }: Bundle,
  index: PayloadIndex,
  payloadPath: string | null,
): Promise<string> {
  const prelude = await esbuild.transform(
    await Deno.readTextFile(new URL("prelude.ts", import.meta.url)),
    {
      ...OUTPUT,
      loader: "ts",
      define: {
        PAYLOAD: JSON.stringify(index),
        PAYLOAD_PATH: JSON.stringify(payloadPath),
      },
    },
  );
  const linked = await esbuild.build({
    ...OUTPUT,
    stdin: { contents: entry, loader: "js", sourcefile: "main" },
    bundle: true,
    format: "esm",
    write: false,
    plugins: [partsPlugin(names)],
  });
  const [output] = linked.outputFiles;
  if (output === undefined) throw new Error("esbuild gave no entry");
  return `${prelude.code}\n${output.text}`;
}

/** Stops the bundler's process. */
export async function closeBundler(): Promise<void> {
  await esbuild.stop();
}

async function runDenoBundle(
  main: string,
  config: string,
  outdir: string,
): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["bundle", "--quiet", "--frozen", "--code-splitting"],
      ...["--config", config, "--outdir", outdir, main],
    ],
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot bundle "${main}"`);
}

async function convert(dir: string, entry: string): Promise<Bundle> {
  const texts = new Map<string, string>();
  for await (const { name } of Deno.readDir(dir)) {
    texts.set(name, await Deno.readTextFile(`${dir}/${name}`));
  }
  const names = nameParts(texts, entry);
  const parts = new Map<string, string>();
  for (const [file, name] of names) {
    const { code } = await esbuild.transform(textOf(texts, file), {
      ...OUTPUT,
      format: "cjs",
      supported: { "dynamic-import": false }, // becomes a deferred require
    });
    parts.set(name, rename(code, names));
  }
  return { entry: textOf(texts, entry), parts, names };
}

/** Names for all parts, in the order a walk from the entry meets them. */
function nameParts(
  texts: ReadonlyMap<string, string>,
  entry: string,
): Map<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  const waiting = [entry];
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    for (const [, found = ""] of textOf(texts, file).matchAll(PART_REGEXP)) {
      if (!texts.has(found) || found === entry || names.has(found)) continue;
      const base = found.replace(HASH_REGEXP, "");
      let name = base;
      for (let n = 2; taken.has(name); n++) name = `${base}.${n}`;
      taken.add(name);
      names.set(found, name);
      waiting.push(found);
    }
  }
  return names;
}

function rename(code: string, names: ReadonlyMap<string, string>): string {
  return code.replace(PART_REGEXP, (whole, file: string) => {
    const name = names.get(file);
    return name === undefined ? whole : JSON.stringify(name);
  });
}

/** Makes the entry's imports of parts calls to the start script's `load`. */
function partsPlugin(names: ReadonlyMap<string, string>): esbuild.Plugin {
  return {
    name: "parts",
    setup(build): void {
      build.onResolve({ filter: /^\.\// }, ({ path }) => {
        const name = names.get(path.slice(2));
        return name === undefined
          ? undefined
          : { path: name, namespace: "part" };
      });
      build.onLoad({ filter: /.*/, namespace: "part" }, ({ path }) => ({
        contents:
          "module.exports = globalThis[Symbol.for('volant.executable')]" +
          `.load(${JSON.stringify(path)});`,
        loader: "js",
      }));
    },
  };
}

function textOf(texts: ReadonlyMap<string, string>, file: string): string {
  const text = texts.get(file);
  if (text === undefined) throw new Error(`deno bundle wrote no "${file}"`);
  return text;
}
