/**
 * What `volant run` is given to run: an OCI image, which is converted to a root
 * file system, or a manifest.
 *
 * Builder and schemas come with it on demand only.
 *
 * @module
 */

import type { ConvertedImage } from "../builder/oci/convert.ts";
import { Fault } from "../lib/fault.ts";
import type { Manifest, Workload } from "../manifest/manifest.ts";
import { cacheFolder } from "./cache_folder.ts";
import type { Context } from "./context.ts";
import { progressPrinter } from "./progress.ts";
import { anyFile } from "./proposals.ts";

/** How an image's name says what it is. */
const KINDS = ["oci:", "oci-archive:", "docker-archive:"] as const;

/** What the command line says about the workload. */
export interface Command {
  readonly entrypoint?: string;
  readonly user?: string;
  readonly workdir?: string;
  /** In place of the image's CMD, if any. */
  readonly words: readonly string[];
}

/** What is to be run. */
export interface RunImage {
  readonly manifest: Manifest;
  /** Takes it out of the cache, where it was before: it is damaged there. */
  readonly forget?: (signal: AbortSignal) => Promise<void>;
}

/** `image` with `command` over what it says itself. */
export async function runImage(
  image: string,
  command: Command,
  context: Pick<Context, "out" | "env">,
  signal: AbortSignal,
): Promise<RunImage> {
  if (/\.(?:json|toml)$/i.test(image)) {
    const { readManifestFile } = await import("./manifest_file.ts");
    return { manifest: withCommand(await readManifestFile(image), command) };
  }
  const converted = await convert(image, command, context, signal);
  const { manifest, cached, imageDigest } = converted;
  // All else is the converter's to set, which knows what the image says.
  const { workdir } = command;
  return {
    manifest: workdir === undefined
      ? manifest
      : withCommand(manifest, { workdir, words: [] }),
    ...(cached ? { forget: forgetter(imageDigest, context) } : {}),
  };
}

function forgetter(
  imageDigest: string,
  { env }: Pick<Context, "env">,
): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    const { forgetImage } = await import("../builder/oci/convert.ts");
    await forgetImage(cacheFolder(env), imageDigest, signal);
  };
}

async function convert(
  image: string,
  { entrypoint, user, words }: Command,
  { out, env }: Pick<Context, "out" | "env">,
  signal: AbortSignal,
): Promise<ConvertedImage> {
  const { convertImage } = await import("../builder/oci/convert.ts");
  const converted = await convertImage(image, {
    cacheDir: cacheFolder(env),
    signal,
    progress: progressPrinter(out, `${image}: `),
    overrides: {
      entrypoint: entrypoint === undefined ? undefined : [entrypoint],
      args: words.length > 0 ? words : undefined,
      user,
    },
  });
  for (const note of converted.notes) out.note(`${image}: ${note}`);
  return converted;
}

function withCommand(
  manifest: Manifest,
  { entrypoint, user, workdir, words }: Command,
): Manifest {
  const { workload } = manifest;
  const isTouched = entrypoint !== undefined || user !== undefined ||
    workdir !== undefined || words.length > 0;
  if (!isTouched) return manifest;
  if (workload === undefined) {
    throw new Fault(
      "invalid-input",
      "Cannot set the command of the workload: the guest is on its own",
      { hint: "Run it without a command and without --entrypoint" },
    );
  }
  return {
    ...manifest,
    workload: {
      ...workload,
      ...command(workload, entrypoint, words),
      ...(user === undefined ? {} : { user }),
      ...(workdir === undefined ? {} : { workdir }),
    },
  };
}

/** Docker's rule: words replace the arguments, an entrypoint replaces both. */
function command(
  { entrypoint, args }: Workload,
  word: string | undefined,
  words: readonly string[],
): Pick<Workload, "entrypoint" | "args"> {
  if (word !== undefined) return { entrypoint: [word], args: words };
  return { entrypoint, args: words.length > 0 ? words : args };
}

/** The kinds of image, and files, which the shell knows. */
export function proposeImages(partial: string): readonly string[] {
  const kind = KINDS.find((each) => partial.startsWith(each));
  return [...KINDS, ...anyFile(partial, kind)];
}
