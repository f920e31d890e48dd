/**
 * The kernel's source: where it comes from, and the proof that it is the one.
 *
 * `version` pins it by checksum; where it was found does not matter then. A
 * tarball named by `KERNEL_TARBALL` comes first, then the one that was used
 * before, then the one Debian's package installs, then that package fetched by
 * `apt-get download`, which needs no root. Debian drops a version when the next
 * is out, so whichever was used first is kept in the cache.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fault } from "../src/lib/fault.ts";
import type { KernelCache } from "./cache.ts";
import { run } from "./run.ts";

/** What the file `version` says. */
export interface Pin {
  readonly upstream: string;
  readonly package: string;
  readonly packageVersion: string;
  readonly tarball: string;
  readonly sha256: string;
}

export function parsePin(text: string): Pin {
  const values = new Map(
    text.split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line): [string, string] => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
  );
  const value = (key: string): string => {
    const found = values.get(key);
    if (found !== undefined && found !== "") return found;
    throw new Fault(
      "build-failed",
      `Cannot read kernels/version: "${key}" is not there`,
    );
  };
  return {
    upstream: value("upstream"),
    package: value("package"),
    packageVersion: value("package_version"),
    tarball: value("tarball"),
    sha256: value("sha256"),
  };
}

/** Refuses a tarball that is not the pinned one. */
export function checkTarball(path: string, sha256: string, pin: Pin): void {
  if (sha256 === pin.sha256) return;
  throw new Fault(
    "checksum-mismatch",
    `Cannot use kernel source "${path}": its SHA-256 is ${sha256}, not ${pin.sha256}`,
    {
      hint: `Use ${pin.tarball} of ${pin.package} ${pin.packageVersion}`,
    },
  );
}

export interface SourcePlaces {
  /** Where a tarball is kept once it was used, and where one is fetched to. */
  readonly cache: KernelCache;
  /** What `KERNEL_TARBALL` says. */
  readonly named: string | undefined;
  /** The folder Debian's package puts its tarball into. */
  readonly installed: string;
}

/** The path of a tarball that is the pinned one; it is in the cache from then on. */
export async function findTarball(
  pin: Pin,
  places: SourcePlaces,
): Promise<string> {
  const { cache, named } = places;
  const isNamed = named !== undefined && named !== "";
  if (isNamed) checkTarball(named, await sha256OfFile(named), pin);
  const kept = await cache.find("source", pin.sha256);
  if (kept !== undefined) {
    const path = `${kept}/${pin.tarball}`;
    if (await isPinned(path, pin)) return path;
  }
  const found = isNamed ? named : await findOutside(pin, places);
  const folder = await cache.store(
    "source",
    pin.sha256,
    (into) => Deno.copyFile(found, `${into}/${pin.tarball}`),
  );
  return `${folder}/${pin.tarball}`;
}

async function findOutside(
  pin: Pin,
  { cache, installed }: SourcePlaces,
): Promise<string> {
  const path = `${installed}/${pin.tarball}`;
  if (await isPinned(path, pin)) return path;
  const state = await isFile(path)
    ? `${installed} has another version`
    : `${installed} has none`;
  return await downloadTarball(pin, `${cache.workFolder}/package`, state);
}

async function isPinned(path: string, pin: Pin): Promise<boolean> {
  return await isFile(path) && await sha256OfFile(path) === pin.sha256;
}

async function downloadTarball(
  pin: Pin,
  folder: string,
  state: string,
): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  const wanted = `${pin.package}=${pin.packageVersion}`;
  try {
    await run(["apt-get", "-q", "download", wanted], { cwd: folder });
  } catch (cause) {
    throw new Fault(
      "build-failed",
      `Cannot find kernel source "${pin.tarball}" of ${pin.package} ${pin.packageVersion}: ` +
        `the cache has none, ${state}, and apt-get does not download this version`,
      {
        cause,
        hint:
          `Set KERNEL_TARBALL to a copy of it; its SHA-256 is ${pin.sha256}`,
      },
    );
  }
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".deb")) continue;
    await run(["dpkg-deb", "-x", name, "."], { cwd: folder });
  }
  const tarball = `${folder}/usr/src/${pin.tarball}`;
  checkTarball(tarball, await sha256OfFile(tarball), pin);
  return tarball;
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    using file = await Deno.open(path);
    for await (const chunk of file.readable) hash.update(chunk);
  } catch (cause) {
    throw new Fault("file-not-found", `Cannot read kernel source "${path}"`, {
      cause,
    });
  }
  return hash.digest("hex");
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
