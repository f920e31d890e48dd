/**
 * Makes the one executable out of a deno, the entry stub, the bundled program
 * and the files it carries:
 *
 *     stub | deno | payload (parts, assets) | start script
 *
 * or, when told to, has `deno compile` make it from the same start script and
 * payload. The same input gives the same bytes.
 *
 *     deno run -A tools/pack/pack.ts --stub STUB --out build/volant
 *
 * @module
 */

import { parseArgs } from "node:util";
import { ASSET_NAMES, ASSET_SOURCES } from "../../src/lib/assets.ts";
import { PROGRAMS } from "../../src/lib/self.ts";
import { type Bundle, bundle, closeBundler, linkEntry } from "./bundle.ts";
import {
  assemblePayload,
  concatenate,
  type Payload,
  type PayloadIndex,
} from "./payload.ts";

interface Options {
  readonly root: string;
  readonly main: string;
  readonly assets: string;
  readonly stub: string;
  readonly deno: string;
  readonly out: string;
  /** Whether `deno compile` is used; it fetches its base, or DENORT_BIN is it. */
  readonly compile: boolean;
}

const LAYOUT_MAGIC = "volant-layout-1\0";

/** Sections begin at the largest page size that Linux knows for our targets. */
const ALIGNMENT = 65536;

/** What `deno compile` is told: as much as the stub tells `deno run`. */
const COMPILE_FLAGS = [
  "--quiet",
  "-A",
  "--no-config",
  "--no-lock",
  "--no-npm",
  "--no-remote",
  "--no-check",
  "--no-prompt",
  "--unstable-vsock",
  "--unstable-no-legacy-abort",
];

if (import.meta.main) {
  try {
    await pack(readOptions());
  } finally {
    await closeBundler();
  }
}

function readOptions(): Options {
  const root = new URL("../../", import.meta.url).pathname;
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      main: { type: "string", default: `${root}src/main.ts` },
      assets: { type: "string", default: `${root}build` },
      stub: { type: "string", default: `${root}build/pack/stub` },
      deno: { type: "string", default: Deno.execPath() },
      out: { type: "string", default: `${root}build/volant` },
      compile: { type: "boolean", default: false },
    },
  });
  return { root, ...values };
}

async function pack(options: Options): Promise<void> {
  const program = await bundle(options.main, `${options.root}deno.json`);
  const payload = assemblePayload(
    program.parts,
    await readAssets(options.assets),
  );
  const index: PayloadIndex = {
    ...await buildInfo(options.root),
    offset: 0,
    chunks: payload.chunks,
    assets: payload.assets,
  };
  const aside = `${options.out}.new`;
  if (options.compile) await compile(program, index, payload, aside);
  else await join(options, program, index, payload, aside);
  await Deno.chmod(aside, 0o755);
  await Deno.rename(aside, options.out);
  await linkNames(options.out);
}

/** Stub, deno, payload and start script in one file. */
async function join(
  options: Options,
  program: Bundle,
  index: PayloadIndex,
  payload: Payload,
  out: string,
): Promise<void> {
  const stub = await Deno.readFile(options.stub);
  const deno = await Deno.readFile(options.deno);
  const denoOffset = roundUp(stub.length);
  const offset = roundUp(denoOffset + deno.length);
  const script = new TextEncoder().encode(
    await linkEntry(program, { ...index, offset }, "/proc/self/exe"),
  );
  const scriptOffset = roundUp(offset + payload.bytes.length);
  const size = scriptOffset + script.length;
  writeLayout(stub, [size, denoOffset, scriptOffset, script.length]);
  const sections: readonly (readonly [number, Uint8Array])[] = [
    [0, stub],
    [denoOffset, deno],
    [offset, payload.bytes],
    [scriptOffset, script],
  ];
  const pieces: Uint8Array[] = [];
  let end = 0;
  for (const [at, bytes] of sections) {
    pieces.push(new Uint8Array(at - end), bytes);
    end = at + bytes.length;
  }
  await Deno.writeFile(out, concatenate(pieces));
}

/** Fills in the stub's LAYOUT, which follows its magic. */
function writeLayout(stub: Uint8Array, values: readonly number[]): void {
  const text = new TextDecoder("latin1").decode(stub);
  const at = text.indexOf(LAYOUT_MAGIC);
  if (at === -1 || text.indexOf(LAYOUT_MAGIC, at + 1) !== -1) {
    throw new Error("Cannot find the layout in the stub");
  }
  const view = new DataView(stub.buffer, stub.byteOffset + at);
  values.forEach((value, i) => {
    view.setBigUint64(LAYOUT_MAGIC.length + 8 * i, BigInt(value), true);
  });
}

/** Has `deno compile` do it. */
async function compile(
  program: Bundle,
  index: PayloadIndex,
  payload: Payload,
  out: string,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "volant-compile-" });
  try {
    await Deno.writeFile(`${dir}/payload`, payload.bytes);
    await Deno.writeTextFile(
      `${dir}/main.js`,
      await linkEntry(program, index, null),
    );
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["compile", ...COMPILE_FLAGS, "--include", `${dir}/payload`],
        ...["--output", out, `${dir}/main.js`],
      ],
      stderr: "inherit",
    }).output();
    if (!success) throw new Error("Cannot compile the executable");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function readAssets(dir: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const key of Object.keys(ASSET_NAMES) as (keyof typeof ASSET_NAMES)[]) {
    files.set(
      ASSET_NAMES[key],
      await Deno.readFile(`${dir}/${ASSET_SOURCES[key]}`),
    );
  }
  return files;
}

/** Version and commit of the tree; a commit with changes is marked so. */
async function buildInfo(
  root: string,
): Promise<Pick<PayloadIndex, "version" | "commit">> {
  const config: unknown = JSON.parse(
    await Deno.readTextFile(`${root}deno.json`),
  );
  const { version } = config as { readonly version?: unknown };
  if (typeof version !== "string") {
    throw new Error('Cannot read the version: deno.json has no "version"');
  }
  const head = await git(root, ["rev-parse", "HEAD"]);
  if (head === undefined) return { version };
  const changes = await git(root, ["status", "--porcelain"]);
  return { version, commit: changes === "" ? head : `${head}+changes` };
}

async function git(
  root: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["-c", "safe.directory=*", "-C", root, ...args],
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The other names of the executable, beside it. */
export async function linkNames(out: string): Promise<void> {
  const dir = out.slice(0, out.lastIndexOf("/") + 1);
  const own = out.slice(dir.length);
  for (const name of PROGRAMS) {
    if (name === own) continue;
    const aside = `${dir}${name}.new`;
    // It is there only if a pack was killed right here.
    await Deno.remove(aside).catch(() => undefined);
    await Deno.symlink(own, aside);
    await Deno.rename(aside, dir + name);
  }
}

function roundUp(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}
