/**
 * Pulls an image into the cache without converting it: `volant image pull`.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { shareCache } from "./cache_lock.ts";
import { type CachedImage, ImageInventory } from "./image_inventory.ts";
import { openImage } from "./open_image.ts";
import { findImage } from "./reference.ts";
import type { PullProgress } from "./registry/pull_progress.ts";
import type { RegistryOptions } from "./registry/registry_access.ts";

export interface PullImageOptions {
  /** Absolute. */
  readonly cacheDir: string;
  readonly registry: RegistryOptions;
  readonly progress: (progress: PullProgress) => void;
  readonly signal: AbortSignal;
}

/** What the name stands for now, all of it in the cache. */
export async function pullImage(
  text: string,
  { cacheDir, registry, progress, signal }: PullImageOptions,
): Promise<CachedImage> {
  const { transport } = await findImage(text, signal);
  if (transport !== "registry") {
    throw new Fault(
      "invalid-input",
      `Cannot pull image "${text}": it is on this host's disk already`,
      { hint: `Run it as it is: volant run ${text}` },
    );
  }
  using _shared = await shareCache(
    cacheDir,
    signal,
    () =>
      progress({ kind: "step", line: "waiting for the cache to be cleared" }),
  );
  const pull = "always";
  const options = { cacheDir, pull, registry, progress, signal } as const;
  const { name = text } = await openImage(text, options);
  const [image] = await new ImageInventory(cacheDir).find(name);
  if (image === undefined) throw new Error("what was pulled is not listed");
  return image;
}
