/**
 * What the builder's tests share: a folder of their own, and running a program
 * that knows the formats the builder writes.
 *
 * @module
 */

import { run } from "../lib/exec.ts";

export interface TmpFolder extends AsyncDisposable {
  readonly path: string;
  /** Writes a file below it; hands back its path. */
  file(name: string, text: string, mode?: number): Promise<string>;
}

export async function tmpFolder(): Promise<TmpFolder> {
  const path = await Deno.makeTempDir({ prefix: "volant-builder-" });
  return {
    path,
    async file(name, text, mode = 0o644) {
      const full = `${path}/${name}`;
      await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), {
        recursive: true,
      });
      await Deno.writeTextFile(full, text);
      await Deno.chmod(full, mode);
      return full;
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
    },
  };
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

export async function collect(
  chunks: AsyncIterable<Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  const copies: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of chunks) copies.push(new Uint8Array(chunk));
  return new Uint8Array(await new Blob(copies).arrayBuffer());
}

/** What a program prints for `input` on stdin; its status must be 0. */
export async function filter(
  program: string,
  args: readonly string[],
  input: Uint8Array,
  cwd?: string,
): Promise<Uint8Array> {
  await using folder = await tmpFolder();
  const [from, to] = [`${folder.path}/in`, `${folder.path}/out`];
  await Deno.writeFile(from, input);
  const script = 'from=$1 to=$2; shift 2; exec "$@" <"$from" >"$to"';
  await run("/bin/sh", ["-c", script, "sh", from, to, program, ...args], {
    fault: "build-failed",
    ...(cwd !== undefined && { cwd }),
  });
  return await Deno.readFile(to);
}
