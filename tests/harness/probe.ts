/**
 * The probe, packed as Volant is packed, and ways to run it.
 *
 * @module
 */

import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url).pathname;
const ASSETS = [
  "kernels/vmlinux-generic",
  "kernels/vmlinux-volant",
  "shim/shim",
  "shim/monitor",
  "shim/simulated",
];

export interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** The whole environment; nothing else is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: Uint8Array<ArrayBuffer>;
}

/** What the probe says of itself. */
export interface Report {
  readonly args: readonly string[];
  readonly execPath: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Packs the probe into `dir` and returns the executable's path. */
export async function packProbe(dir: string, name: string): Promise<string> {
  for (const asset of ASSETS) {
    const path = `${dir}/assets/${asset}`;
    await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(path, `in place of ${asset}\n`);
  }
  const out = `${dir}/${name}/volant`;
  await Deno.mkdir(`${dir}/${name}`);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", `${ROOT}tools/pack/pack.ts`],
      ...["--main", `${ROOT}tests/fixtures/executable/probe.ts`],
      ...["--assets", `${dir}/assets`, "--stub", `${ROOT}build/pack/stub`],
      ...["--out", out],
    ],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return out;
}

/** Runs a program to its end. */
export async function run(
  path: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const child = new Deno.Command(path, {
    args: [...args],
    clearEnv: true,
    env: { ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const fed = options.stdin === undefined
    ? undefined
    : new Blob([options.stdin]).stream().pipeTo(child.stdin);
  const { code, signal, stdout, stderr } = await child.output();
  await fed;
  return {
    code,
    signal,
    stdout: new TextDecoder().decode(stdout),
    stderr: new TextDecoder().decode(stderr),
  };
}

/** Runs the probe for its report, which is all it may print. */
export async function reportOf(
  path: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Report> {
  const { code, stdout, stderr } = await run(path, args, options);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  return JSON.parse(stdout) as Report;
}
