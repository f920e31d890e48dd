/**
 * What `volant run` is given to run: an OCI image, which is pulled if need be and
 * converted to a root file system, or a manifest.
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
import { absoluteCacheFolder, imageNames } from "./image_text.ts";
import { progressPrinter } from "./progress.ts";
import { anyFile } from "./proposals.ts";
import {
  type Pull,
  type RegistryFlags,
  registryOptions,
} from "./registry_flags.ts";

/** How an image's name says what it is. */
const KINDS = ["oci:", "oci-archive:", "docker-archive:"] as const;

/** What the command line says about the workload, and where its image is from. */
export interface Command extends RegistryFlags {
  readonly pull?: Pull;
  readonly entrypoint?: string;
  readonly user?: string;
  readonly workdir?: string;
  /** In place of the image's CMD, if any. */
  readonly words: readonly string[];
}

/** What is to be run; until it is disposed of, nobody clears the cache of it. */
export interface RunImage extends Disposable {
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
    return {
      manifest: withCommand(await readManifestFile(image), command),
      [Symbol.dispose]: () => {},
    };
  }
  using held = new DisposableStack();
  held.use(await shared(context, signal));
  const converted = await convert(image, command, context, signal);
  const { manifest, cached, imageDigest } = converted;
  // All else is the converter's to set, which knows what the image says.
  const { workdir } = command;
  return {
    manifest: workdir === undefined
      ? manifest
      : withCommand(manifest, { workdir, words: [] }),
    ...(cached ? { forget: forgetter(imageDigest, context) } : {}),
    [Symbol.dispose]: disposer(held.move()),
  };
}

/** What is converted stays until the daemon has taken it. */
async function shared(
  { out, env }: Pick<Context, "out" | "env">,
  signal: AbortSignal,
): Promise<Disposable> {
  const { shareCache } = await import("../builder/oci/cache_lock.ts");
  return await shareCache(
    absoluteCacheFolder({ env }),
    signal,
    () => out.note("waiting for the cache to be cleared"),
  );
}

function disposer(held: DisposableStack): () => void {
  return () => held.dispose();
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
  how: Command,
  { out, env }: Pick<Context, "out" | "env">,
  signal: AbortSignal,
): Promise<ConvertedImage> {
  const { entrypoint, user, words, pull } = how;
  const { convertImage } = await import("../builder/oci/convert.ts");
  const converted = await convertImage(image, {
    cacheDir: cacheFolder(env),
    pull,
    registry: registryOptions(how, { env }),
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

/** The kinds of image, names in the cache, and files, which the shell knows. */
export async function proposeImages(
  this: Context,
  partial: string,
): Promise<readonly string[]> {
  const kind = KINDS.find((each) => partial.startsWith(each));
  const names = kind === undefined ? await imageNames.call(this) : [];
  return [...KINDS, ...names, ...anyFile(partial, kind)];
}
