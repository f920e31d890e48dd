/**
 * The kernel's source: where it comes from, and the proof that it is the one.
 *
 * `version` pins it by checksum; where it was found does not matter then. A
 * tarball named by `KERNEL_TARBALL` comes first, then the one Debian's package
 * installs, then that package fetched by `apt-get download`, which needs no root.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fault } from "../src/lib/fault.ts";
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

/** The path of a tarball that is the pinned one; may be fetched into `folder`. */
export async function findTarball(
  pin: Pin,
  named: string | undefined,
  folder: string,
): Promise<string> {
  if (named !== undefined && named !== "") {
    checkTarball(named, await sha256OfFile(named), pin);
    return named;
  }
  const installed = `/usr/src/${pin.tarball}`;
  if (await isFile(installed)) {
    if (await sha256OfFile(installed) === pin.sha256) return installed;
  }
  return await downloadTarball(pin, folder);
}

async function downloadTarball(pin: Pin, folder: string): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  const wanted = `${pin.package}=${pin.packageVersion}`;
  try {
    await run(["apt-get", "-q", "download", wanted], { cwd: folder });
  } catch (cause) {
    throw new Fault("build-failed", `Cannot download ${wanted}`, {
      cause,
      hint: `Set KERNEL_TARBALL to a copy of ${pin.tarball}`,
    });
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
