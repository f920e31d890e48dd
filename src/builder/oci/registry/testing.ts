/**
 * What the tests of registries share: a cache beside a registry of their own,
 * and rules that do not make a test wait.
 *
 * @module
 */

import type { RegistryOptions } from "./registry_access.ts";
import {
  openRegistryImage,
  type PulledImage,
  type PullOptions,
  type PullPolicy,
} from "./pull.ts";
import type { PullProgress } from "./pull_progress.ts";
import { parseRegistryReference } from "./registry_reference.ts";
import type { RetryRules } from "./retrying.ts";

export const QUICK: RetryRules = {
  triesMax: 3,
  pauseMs: 1,
  pauseMsMax: 4,
  retryAfterMsMax: 2_000,
};

/** A registry of the test's own. */
export interface TestRegistry extends AsyncDisposable {
  readonly host: string;
}

export interface Site<Registry extends TestRegistry> extends AsyncDisposable {
  readonly registry: Registry;
  readonly cache: string;
  /** What the pulls have told. */
  readonly told: PullProgress[];
  pull(name: string, options?: PullHow): Promise<PulledImage>;
}

export interface PullHow extends Partial<RegistryOptions> {
  readonly policy?: PullPolicy;
  /** Variables of the environment. */
  readonly variables?: Readonly<Record<string, string>>;
  /** In place of the site's registry. */
  readonly host?: string;
  readonly signal?: AbortSignal;
}

/** `name` of a pull is the repository and tag, such as `team/app:1`. */
export async function siteOf<Registry extends TestRegistry>(
  registry: Registry,
): Promise<Site<Registry>> {
  const cache = await Deno.makeTempDir({ prefix: "volant-pull-" });
  const told: PullProgress[] = [];
  return {
    registry,
    cache,
    told,
    async pull(name, how = {}) {
      const { policy = "missing", variables = {}, host = registry.host } = how;
      const reference = parseRegistryReference(`${host}/${name}`);
      if (reference === undefined) throw new Error(`no reference: ${name}`);
      const options: PullOptions = {
        cacheDir: cache,
        policy,
        registry: {
          env: (name) => variables[name],
          plainHttp: true,
          retryRules: QUICK,
          ...how,
        },
        progress: (progress) => told.push(progress),
        signal: how.signal ?? new AbortController().signal,
      };
      return await openRegistryImage(reference, options);
    },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await Deno.remove(cache, { recursive: true });
    },
  };
}

export interface TestImage {
  readonly tag: string;
  readonly layers: readonly {
    readonly entries: readonly {
      readonly name: string;
      readonly content: string;
    }[];
    readonly compression: "none";
  }[];
  readonly config: { readonly Cmd: readonly string[] };
}

/** An image of as many layers as texts, which do not compress. */
export function imageOf(...texts: readonly string[]): TestImage {
  return {
    tag: "1",
    layers: texts.map((content, index) => ({
      entries: [{ name: `file${index}`, content }],
      compression: "none",
    })),
    config: { Cmd: ["/file0"] },
  };
}

/** All bytes of the layers, each checked as it is read. */
export async function layerSizes(image: PulledImage): Promise<number[]> {
  const { signal } = new AbortController();
  return await Promise.all(image.layers.map(async (layer) => {
    let size = 0;
    for await (const chunk of layer.read(signal)) size += chunk.length;
    return size;
  }));
}

/** Paths below the cache's folder of blobs. */
export async function blobFiles(cache: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ["sha256", ".incoming"]) {
    try {
      for await (const { name } of Deno.readDir(`${cache}/blobs/${folder}`)) {
        found.push(`${folder}/${name}`);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found.sort();
}
