/**
 * Builds an artifact and an installable manifest from a fledge.toml and the
 * manifest beside it. The same input gives the same bytes, wherever, whenever
 * and by whom it is built; a build that fails or is broken off leaves nothing.
 *
 * Printing, and where shim and cache lie, are the caller's affair.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import type { Manifest } from "../manifest/manifest.ts";
import {
  checkManifest,
  manifestFormat,
  parseManifestTemplate,
} from "../manifest/parse.ts";
import type { Digest } from "../manifest/values.ts";
import { parseFledgeToml } from "./fledge_toml.ts";
import { folderOf, nameOf, readHostText } from "./host_files.ts";
import type { LayerProgress } from "./oci/registry/pull_progress.ts";
import { OutputFile } from "./output.ts";
import { type ArtifactPlan, strategyNamed } from "./strategy.ts";

/** What a build tells while it works. */
export type BuildProgress =
  | { readonly kind: "step"; readonly line: string }
  | {
    readonly kind: "bytes";
    readonly done: number;
    readonly total: number;
  }
  | LayerProgress;

export interface BuildOptions {
  /** The fledge.toml. */
  readonly configPath: string;
  /** Its manifest; `manifest.toml` beside it when absent. */
  readonly manifestPath?: string | undefined;
  /** The artifact; named after the manifest, in the current folder, when absent. */
  readonly outputPath?: string | undefined;
  readonly shimPath: string;
  /** Folder that downloads are kept in. */
  readonly cacheDir: string;
  /** `SOURCE_DATE_EPOCH` as the environment has it. */
  readonly sourceDateEpoch?: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (progress: BuildProgress) => void;
}

export interface BuildResult {
  readonly artifactPath: string;
  readonly manifestPath: string;
  readonly manifest: Manifest;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Paths in the artifact. */
  readonly files: readonly string[];
  readonly warnings: readonly string[];
}

export async function buildArtifact(
  options: BuildOptions,
): Promise<BuildResult> {
  const plan = await planArtifact(options);
  const path = options.outputPath ?? plan.defaultName;
  await using artifact = await OutputFile.create(path);
  await using manifestFile = await OutputFile.create(`${path}.manifest.json`);
  const written = await artifact.write(
    plan.bytes(byteCounter(plan, options)),
    options.signal,
  );
  const manifest = checkManifest(
    plan.manifest(relativeUrl(nameOf(path)), written.digest),
    "the manifest that was built",
  );
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await manifestFile.write([new TextEncoder().encode(text)], options.signal);
  await artifact.publish();
  await manifestFile.publish();
  return {
    artifactPath: artifact.path,
    manifestPath: manifestFile.path,
    manifest,
    ...written,
    files: plan.files,
    warnings: plan.warnings,
  };
}

async function planArtifact(
  options: BuildOptions,
): Promise<ArtifactPlan & { readonly defaultName: string }> {
  const { configPath, outputPath, signal } = options;
  const base = folderOf(configPath);
  const step = (line: string) => options.progress({ kind: "step", line });
  step(`reading ${configPath}`);
  const config = await readHostText(configPath, "the recipe of the build");
  const recipe = parseFledgeToml(config, configPath);
  const strategy = strategyNamed(recipe.strategy);
  const manifest = await readTemplate(
    options.manifestPath ?? `${base}/manifest.toml`,
  );
  const plan = await strategy.plan({
    recipe,
    manifest,
    base,
    shimPath: options.shimPath,
    cacheDir: options.cacheDir,
    outputName: outputPath,
    mtime: mtimeFrom(options.sourceDateEpoch),
    progress: step,
    signal,
  });
  step(`writing ${plan.files.length} files`);
  return { ...plan, defaultName: `${manifest.name}${plan.suffix}` };
}

async function readTemplate(path: string): Promise<Manifest> {
  const text = await readHostText(path, "the manifest of the build");
  return parseManifestTemplate(text, {
    name: path,
    format: manifestFormat(path),
  });
}

/**
 * The time all files get. 0 by default: what serves files by their time knows
 * that as "unknown", and so never calls a rebuilt page unchanged.
 */
function mtimeFrom(epoch: string | undefined): number {
  if (epoch === undefined || epoch === "") return 0;
  const seconds = Number(epoch);
  if (/^[0-9]+$/.test(epoch) && seconds <= 0xffff_ffff) return seconds;
  throw new Fault(
    "invalid-input",
    `Cannot use SOURCE_DATE_EPOCH "${epoch}": it is not a number of seconds up to 2^32`,
    { hint: "Set it to a time such as that of the last commit, or unset it" },
  );
}

function byteCounter(
  plan: ArtifactPlan,
  { progress }: BuildOptions,
): (bytes: number) => void {
  let done = 0;
  return (bytes) => {
    done += bytes;
    progress({ kind: "bytes", done, total: plan.plainSize });
  };
}

/** A name with a colon would be read as a URL's scheme. */
function relativeUrl(name: string): string {
  return name.includes(":") ? `./${name}` : name;
}
