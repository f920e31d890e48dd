/**
 * Small C programs of the tests' own, compiled when they are first needed.
 */

import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url).pathname;
const BUILD = Deno.env.get("VOLANT_BUILD") ?? `${ROOT}build`;

const made = new Map<string, Promise<string>>();

/** Path of the program made from that file of tests/fixtures. */
export async function compileFixture(name: string): Promise<string> {
  const program = made.get(name) ?? compile(name);
  made.set(name, program);
  return await program;
}

async function compile(name: string): Promise<string> {
  const source = `${ROOT}tests/fixtures/${name}`;
  const folder = `${BUILD}/tests`;
  const target = `${folder}/${name.replace("/", "-").replace(/\.c$/, "")}`;
  await Deno.mkdir(folder, { recursive: true });
  // Another test may be running the one that is there.
  const aside = await Deno.makeTempFile({ dir: folder });
  const { success, stderr } = await new Deno.Command("cc", {
    args: [
      ...["-std=c17", "-Wall", "-Wextra", "-Werror", "-Wpedantic"],
      ...["-Wconversion", "-O1", "-o", aside, source],
    ],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  await Deno.chmod(aside, 0o755);
  await Deno.rename(aside, target);
  return target;
}
