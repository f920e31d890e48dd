/**
 * An image that was found and chosen: its config and its layers, with nothing of
 * them read yet. What follows takes it from here, wherever it lies: another
 * source of images, such as a registry, has to give no more than this.
 *
 * @module
 */

import type { ImageConfig } from "./image_schema.ts";

export interface OpenedImage {
  /** Of its manifest; of its config where it has no manifest. */
  readonly digest: string;
  readonly config: ImageConfig;
  /** The lowest first. */
  readonly layers: readonly LayerBlob[];
  /** Name the image has where it lies: `HOST/library/nginx:alpine`. */
  readonly name: string | undefined;
}

export interface LayerBlob {
  /** Of the unpacked bytes. */
  readonly diffId: string;
  /** As it is stored, for progress. */
  readonly size: number;
  /** Of the stored bytes, where something names them by it. */
  readonly digest?: string;
  /** The stored bytes, checked at their end; anew each time. */
  read(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** What guests of this host run. */
export function hostPlatform(
  arch: typeof Deno.build.arch = Deno.build.arch,
): Platform {
  return { os: "linux", architecture: arch === "aarch64" ? "arm64" : "amd64" };
}
