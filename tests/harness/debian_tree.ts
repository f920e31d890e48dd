/**
 * Debian trees: what some packages depend on, and nothing else. They are made of
 * the packages themselves, without root's rights and without running any of
 * their scripts, once, and are kept in Volant's cache. apt checks each package
 * against the archive's signed index.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";

/** Folders that Debian 12 has merged into /usr, as links. */
const MERGED = ["bin", "sbin", "lib", "lib64"];

/** Raised when the same packages would be laid out in another way. */
const RECIPE = "1";

/** Path of a tree that holds nothing but the files of these and what they need. */
export async function debianTree(packages: readonly string[]): Promise<string> {
  const key = createHash("sha256")
    .update([RECIPE, Deno.build.arch, ...packages].join("\n"))
    .digest("hex").slice(0, 16);
  const trees = `${cacheDir()}/debian-trees`;
  const dir = `${trees}/${key}`;
  if (await exists(dir)) return dir;
  await Deno.mkdir(trees, { recursive: true });
  const work = await Deno.makeTempDir({ dir: trees });
  try {
    const tree = `${work}/root`;
    await Deno.mkdir(`${tree}/usr`, { recursive: true });
    for (const name of MERGED) {
      await Deno.mkdir(`${tree}/usr/${name}`);
      await Deno.symlink(`usr/${name}`, `${tree}/${name}`);
    }
    for (const file of await download(work, packages)) {
      await unpack(file, tree);
    }
    await Deno.chmod(tree, 0o755);
    await Deno.rename(tree, dir).catch(async (error) => {
      if (!await exists(dir)) throw error; // another run was quicker
    });
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return dir;
}

/**
 * Lets apt work out what the packages depend on, as if nothing were installed,
 * and fetch it all. Its lists are its own: the system's may be missing or old.
 */
async function download(
  work: string,
  packages: readonly string[],
): Promise<string[]> {
  const apt = `${work}/apt`;
  for (const dir of ["lists/partial", "archives/partial"]) {
    await Deno.mkdir(`${apt}/${dir}`, { recursive: true });
  }
  await Deno.writeTextFile(`${apt}/status`, "");
  const options = [
    `Dir::State::status=${apt}/status`,
    `Dir::State::lists=${apt}/lists`,
    `Dir::Cache=${apt}`,
    `Dir::Cache::archives=${apt}/archives`,
    "APT::Sandbox::User=",
    "APT::Install-Recommends=false",
    "Debug::NoLocking=true",
  ].flatMap((option) => ["-o", option]);
  await command("apt-get", [...options, "-qq", "update"]);
  await command("apt-get", [
    ...options,
    ...["-qq", "--yes", "--download-only", "install", ...packages],
  ]);
  const files: string[] = [];
  for await (const { name } of Deno.readDir(`${apt}/archives`)) {
    if (name.endsWith(".deb")) files.push(`${apt}/archives/${name}`);
  }
  return files.sort();
}

async function unpack(file: string, tree: string): Promise<void> {
  const data = new Deno.Command("dpkg-deb", {
    args: ["--fsys-tarfile", file],
    stdout: "piped",
  }).spawn();
  const tar = new Deno.Command("tar", {
    args: [
      ...["-x", "-C", tree, "--keep-directory-symlink"],
      ...["--no-same-owner", "--exclude=./usr/share/doc", "--exclude=./dev/*"],
    ],
    stdin: "piped",
  }).spawn();
  await data.stdout.pipeTo(tar.stdin);
  const ended = [await data.status, await tar.status];
  assert.ok(ended.every(({ success }) => success), `Cannot unpack "${file}"`);
}

async function command(name: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(name, {
    args: [...args],
    env: { LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
  }).output();
  assert.ok(success, `${name}: ${new TextDecoder().decode(stderr)}`);
}

/** Where the Makefile keeps things, too. */
function cacheDir(): string {
  const given = Deno.env.get("VOLANT_CACHE");
  if (given) return given;
  const base = Deno.env.get("XDG_CACHE_HOME") ||
    `${Deno.env.get("HOME") ?? ""}/.cache`;
  return `${base}/volant`;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
