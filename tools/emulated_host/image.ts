/**
 * The disk image of the emulated host: Debian with what Volant needs of a host,
 * out of the sources this host's apt is set to. Made once for each recipe, in
 * about two minutes, and kept in Volant's cache.
 */

import { createHash } from "node:crypto";

/** What the tests call, beside what `volant doctor` asks for. */
const PACKAGES = [
  "linux-image-amd64",
  "kmod",
  "qemu-system-x86",
  "passt",
  "busybox-static",
  "e2fsprogs",
  "erofs-utils",
  "iproute2",
  "nftables",
  "procps",
  "util-linux",
];

const SUITE = "bookworm";
const SCRIPTS = ["finish_image.sh", "initrd.sh"];
const RECIPE = new URL(".", import.meta.url).pathname;
const FILES = ["kernel", "initrd", "disk"] as const;

export type Image = Readonly<Record<typeof FILES[number], string>>;

/** The image of today's recipe; makes it if it is not in the cache. */
export async function emulatedHostImage(
  say: (line: string) => void,
): Promise<Image> {
  const folder = `${cacheFolder()}/emulated-host`;
  const path = `${folder}/${await recipeDigest()}`;
  if (!await isThere(path)) {
    say("Making the image of the emulated host, once: about two minutes");
    await Deno.mkdir(folder, { recursive: true });
    await make(path);
  }
  const [kernel, initrd, disk] = FILES.map((name) => `${path}/${name}`);
  return { kernel: kernel ?? "", initrd: initrd ?? "", disk: disk ?? "" };
}

async function recipeDigest(): Promise<string> {
  const hash = createHash("sha256").update([SUITE, ...PACKAGES].join("\n"));
  for (const name of [...SCRIPTS, "image.ts"]) {
    hash.update(await Deno.readFile(RECIPE + name));
  }
  return hash.digest("hex").slice(0, 16);
}

async function make(path: string): Promise<void> {
  // Below /tmp: the user that an ordinary user's mmdebstrap is may have no way
  // through a home folder.
  const work = await Deno.makeTempDir({ dir: "/tmp", prefix: "volant-host-" });
  try {
    await Deno.chmod(work, 0o755);
    for (const name of SCRIPTS) {
      await Deno.copyFile(RECIPE + name, `${work}/${name}`);
    }
    for (const name of FILES) {
      await Deno.writeFile(`${work}/${name}`, new Uint8Array());
      await Deno.chmod(`${work}/${name}`, 0o666);
    }
    await install(work);
    const aside = `${path}.${Deno.pid}`;
    await Deno.mkdir(aside);
    try {
      const files = FILES.map((name) => `${work}/${name}`);
      await run("cp", ["--sparse=always", ...files, aside]);
      // Another process may have been quicker.
      await Deno.rename(aside, path).catch(async (error) => {
        if (!await isThere(path)) throw error;
      });
    } finally {
      await Deno.remove(aside, { recursive: true }).catch(() => {});
    }
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** As root, or in a user namespace, for which newuidmap and /etc/subuid are needed. */
async function install(work: string): Promise<void> {
  const unneeded = ["doc", "man", "locale", "info"];
  await run("mmdebstrap", [
    `--mode=${Deno.uid() === 0 ? "root" : "unshare"}`,
    ...["--variant=minbase", "--format=null"],
    ...unneeded.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
    `--include=${PACKAGES.join(",")}`,
    `--customize-hook=sh ${work}/finish_image.sh "$1" ${work} ${work}`,
    ...[SUITE, "/dev/null", "/etc/apt/sources.list.d/debian.sources"],
  ]);
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args],
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return;
  const words = new TextDecoder().decode(stderr).trim().split("\n").slice(-5);
  throw new Error(
    `Cannot make the image of the emulated host: ${program}: ${
      words.join("\n")
    }`,
  );
}

/** Where the Makefile keeps things, too. */
function cacheFolder(): string {
  const given = Deno.env.get("VOLANT_CACHE");
  if (given) return given;
  const base = Deno.env.get("XDG_CACHE_HOME") ||
    `${Deno.env.get("HOME") ?? ""}/.cache`;
  return `${base}/volant`;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
