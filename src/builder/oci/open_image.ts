/**
 * Opens the image a text names, wherever it is: in a folder or an archive, or in
 * a registry, from which it is pulled into the cache as far as it is not there.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { openDockerArchive } from "./docker_archive.ts";
import { archiveFiles, folderFiles } from "./image_files.ts";
import { type ImageNames, imageNames } from "./image_names.ts";
import { reading } from "./image_problem.ts";
import { openLayout } from "./layout.ts";
import type { OpenedImage } from "./opened_image.ts";
import { findImage, type ImageReference } from "./reference.ts";
import { openRegistryImage, type PullPolicy } from "./registry/pull.ts";
import type { PullProgress } from "./registry/pull_progress.ts";
import type { RegistryOptions } from "./registry/registry_access.ts";
import type { RegistryReference } from "./registry/registry_reference.ts";
import { similarImage } from "./similar_image.ts";

export interface OpenOptions {
  /** Absolute; shared by the caller (`cache_lock.ts`). */
  readonly cacheDir: string;
  /** When, and how, a registry is asked. */
  readonly pull: PullPolicy;
  readonly registry: RegistryOptions;
  readonly progress: (progress: PullProgress) => void;
  readonly signal: AbortSignal;
}

export interface NamedImage extends OpenedImage {
  readonly names: ImageNames;
}

export async function openImage(
  text: string,
  options: OpenOptions,
): Promise<NamedImage> {
  const found = await findImage(text, options.signal);
  if (found.transport === "registry") return await pulled(found, options);
  const image = await reading(
    `image "${text}"`,
    () => openFromDisk(found, options.signal),
  );
  return { ...image, names: imageNames(found, image) };
}

async function openFromDisk(
  reference: ImageReference,
  signal: AbortSignal,
): Promise<OpenedImage> {
  const { transport, path } = reference;
  if (transport === "oci") {
    return await openLayout(folderFiles(path), reference, signal);
  }
  const files = await archiveFiles(path, signal);
  return transport === "oci-archive"
    ? await openLayout(files, reference, signal)
    : await openDockerArchive(files, reference, signal);
}

async function pulled(
  reference: RegistryReference,
  { cacheDir, pull, registry, progress, signal }: OpenOptions,
): Promise<NamedImage> {
  const options = { cacheDir, policy: pull, registry, progress, signal };
  try {
    const image = await openRegistryImage(reference, options);
    const { text, repository, tag } = reference;
    return {
      ...image,
      names: imageNames({ text, path: repository, tag }, image),
    };
  } catch (error) {
    throw await withSimilar(error, reference);
  }
}

/** A name that no registry has may be that of a folder or file right here. */
async function withSimilar(
  error: unknown,
  reference: RegistryReference,
): Promise<unknown> {
  const isAbsent = error instanceof Fault &&
    ["image-not-found", "registry-denied", "download-failed"]
      .includes(error.code);
  const similar = isAbsent ? await similarImage(reference) : undefined;
  if (!isAbsent || similar === undefined) return error;
  const { code, message, details, hint = "" } = error;
  return new Fault(code, message, {
    cause: error.cause,
    details,
    hint: `Did you mean ${similar}? Else: ${hint}`,
  });
}
