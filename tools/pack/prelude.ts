/**
 * The first JavaScript of the executable: says what the executable is, and
 * loads the other parts of the program when they are first imported.
 *
 * Deno parses every module it is given before it runs one, which costs some
 * 150 ms for a program of this size. So it is given this and the entry only;
 * the parts lie in the payload and are evaluated as CommonJS functions, and
 * with them the `node:` modules they ask for. `bundle.ts` puts this in front of
 * the entry and fills in PAYLOAD and PAYLOAD_PATH.
 *
 * @module
 */

import type { Executable } from "../../src/lib/self.ts";
import type { PayloadIndex } from "./payload.ts";

declare const PAYLOAD: PayloadIndex;

/** The file the payload lies in; null: beside this script, in a VFS. */
declare const PAYLOAD_PATH: string | null;

interface Part {
  exports: unknown;
}

type Evaluate = (
  require: (name: string) => unknown,
  module: Part,
  exports: unknown,
) => void;

const parts = new Map<string, Part>();

function read(offset: number, size: number): Uint8Array<ArrayBuffer> {
  using file = Deno.openSync(PAYLOAD_PATH ?? `${import.meta.dirname}/payload`);
  file.seekSync(PAYLOAD.offset + offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size;) {
    const count = file.readSync(bytes.subarray(done));
    if (count === null) throw new Error("the executable was cut short");
    done += count;
  }
  return bytes;
}

function load(name: string): unknown {
  if (name.startsWith("node:")) return process.getBuiltinModule(name);
  const known = parts.get(name);
  if (known !== undefined) return known.exports;
  const range = PAYLOAD.chunks[name];
  if (range === undefined) throw new Error(`no part "${name}" was packed`);
  const code = new TextDecoder().decode(read(range.offset, range.size));
  const evaluate = new Function(
    "require",
    "module",
    "exports",
    `${code}\n//# sourceURL=volant:${name}`,
  ) as Evaluate;
  const part: Part = { exports: {} };
  parts.set(name, part); // before it runs: parts may import each other
  evaluate(load, part, part.exports);
  return part.exports;
}

const self: Executable = {
  version: PAYLOAD.version,
  ...(PAYLOAD.commit === undefined ? {} : { commit: PAYLOAD.commit }),
  assets: PAYLOAD.assets,
  read,
  load,
};
Object.defineProperty(globalThis, Symbol.for("volant.executable"), {
  value: self,
});

// The stub's words to Deno, which has heard them: no child needs them.
for (const name of Object.keys(Deno.env.toObject())) {
  if (name.startsWith("DENO_")) Deno.env.delete(name);
}
