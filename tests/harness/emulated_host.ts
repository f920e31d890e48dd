/**
 * Tests run in the emulated host (tools/emulated_host.ts), where KVM works: the
 * executable, Deno and the tests are put into a folder it shares.
 */

import { built, source } from "./built.ts";

/** What the tests import: themselves, and the contracts. */
const NEEDED = ["tests", "src/guest", "src/manifest", "deno.json"];

export interface EmulatedRun {
  readonly status: number;
  /** Of the tests, with the console of a host that came to no result. */
  readonly output: string;
}

/** Runs `deno test FILE` there; the file is named from the root of the source. */
export async function testInEmulatedHost(
  file: string,
  limitSeconds: number,
): Promise<EmulatedRun> {
  const share = await Deno.makeTempDir({ prefix: "volant-share-" });
  try {
    await fill(share);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-check", source("tools/emulated_host.ts")],
        ...["--share", share, "--limit", String(limitSeconds), "--"],
        ...["sh", "-c", COMMAND, "sh", file],
      ],
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    const output = `${text.decode(stdout)}${text.decode(stderr)}`;
    return { status: code, output };
  } finally {
    await Deno.remove(share, { recursive: true });
  }
}

/** Programs run from memory there: a shared folder is slow to map. */
const COMMAND = `
set -e
mkdir /tmp/build
cp deno /tmp/deno
cp volant /tmp/build/volant
export VOLANT_BUILD=/tmp/build DENO_DIR=/tmp/deno_dir NO_COLOR=1 VOLANT_TEST_PATIENCE=10
exec /tmp/deno test -A --no-check --no-lock --no-remote --no-npm "$1"
`;

async function fill(share: string): Promise<void> {
  await Deno.copyFile(Deno.execPath(), `${share}/deno`);
  await Deno.copyFile(built("volant"), `${share}/volant`);
  for (const name of NEEDED) {
    const to = `${share}/${name}`;
    await Deno.mkdir(to.replace(/\/[^/]*$/, ""), { recursive: true });
    await copy(source(name), to);
  }
}

async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) return await Deno.copyFile(from, to);
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) {
    await copy(`${from}/${name}`, `${to}/${name}`);
  }
}
