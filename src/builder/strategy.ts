/**
 * What a way of building is, and the ways there are: one line each.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { Recipe } from "./fledge_toml.ts";
import { initramfsStrategy } from "./strategies/initramfs.ts";

export interface Strategy {
  readonly name: Recipe["strategy"];

  /** Gathers what goes in; reads no contents yet, writes nothing. */
  plan(input: PlanInput): Promise<ArtifactPlan>;
}

export interface PlanInput {
  readonly recipe: Recipe;
  readonly manifest: Manifest;
  /** Folder of the fledge.toml: relative sources are seen from there. */
  readonly base: string;
  readonly shimPath: string;
  readonly cacheDir: string;
  /** The output's name, if one was asked for: it may tell the compression. */
  readonly outputName: string | undefined;
  /** Seconds since 1970 that every file gets as its time. */
  readonly mtime: number;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** All that is known of an artifact before its first byte is written. */
export interface ArtifactPlan {
  /** What an artifact of this kind is called when nothing else is said. */
  readonly suffix: string;
  /** Paths in the artifact. */
  readonly files: readonly string[];
  /** Size before compression, for progress. */
  readonly plainSize: number;
  /** Things worth a look that do not stop the build. */
  readonly warnings: readonly string[];
  /** The bytes, made while they are taken; `passed` counts those before compression. */
  bytes(passed: (bytes: number) => void): AsyncIterable<Uint8Array>;
  /** The manifest to emit, with the artifact named as `url` and `checksum`. */
  manifest(url: string, checksum: string): unknown;
}

const STRATEGIES: readonly Strategy[] = [
  initramfsStrategy,
];

/** The strategy of that name; throws `not-supported` for one of another version. */
export function strategyNamed(name: Recipe["strategy"]): Strategy {
  const strategy = STRATEGIES.find((each) => each.name === name);
  if (strategy !== undefined) return strategy;
  const known = STRATEGIES.map((each) => each.name).join(", ");
  throw new Fault(
    "not-supported",
    `Cannot build with strategy "${name}": this version builds ${known}`,
    { hint: 'Write strategy = "initramfs" and map the files of the workload' },
  );
}
