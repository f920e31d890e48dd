/**
 * The initramfs strategy: mapped files, the shim (or an init of the user's), a
 * busybox if wanted, and a default boot config, as one cpio archive that the
 * kernel unpacks into memory.
 *
 * @module
 */

import { BOOT_CONFIG_PATH, encodeBootConfig } from "../../guest/boot_config.ts";
import { Fault } from "../../lib/fault.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { defaultBootConfig } from "../boot_defaults.ts";
import { addBusybox } from "../busybox.ts";
import {
  compressed,
  type Compression,
  COMPRESSION_SUFFIX,
  compressionOfName,
} from "../compress.ts";
import { cpioArchive, cpioSize } from "../cpio.ts";
import { addDefaultFiles } from "../default_files.ts";
import { hostFileOf, pathFrom, statFile } from "../host_files.ts";
import { addLibraries, programsWithoutLoader } from "../libraries.ts";
import { applyMappings } from "../mappings.ts";
import type { ArtifactPlan, PlanInput, Strategy } from "../strategy.ts";
import { ROOT_OWNED, RootTree } from "../tree.ts";
import { resolveUser } from "../users.ts";

const INIT_PATH = "/init";

export const initramfsStrategy: Strategy = { name: "initramfs", plan };

async function plan(input: PlanInput): Promise<ArtifactPlan> {
  refuseImages(input);
  const tree = new RootTree();
  await applyMappings(tree, input.recipe.mappings, input);
  await addOptionalParts(tree, input);
  await addInit(tree, input);
  addDefaultFiles(tree);
  const manifest = await addBootConfig(tree, input);
  const method = compressionFor(input);
  const { mtime, signal, recipe } = input;
  return {
    suffix: COMPRESSION_SUFFIX[method],
    files: tree.sorted().map(([path]) => path),
    plainSize: cpioSize(tree),
    warnings: await warningsFor(tree, input),
    bytes: (passed) =>
      compressed(
        counted(cpioArchive(tree, { mtime, signal }), passed),
        method,
        recipe.compressionLevel,
      ),
    manifest: (url, checksum) => ({
      ...manifest,
      rootfs: undefined,
      initramfs: { url, checksum },
    }),
  };
}

async function addOptionalParts(
  tree: RootTree,
  input: PlanInput,
): Promise<void> {
  const { recipe, base, cacheDir, signal } = input;
  if (recipe.busybox !== undefined) {
    input.progress("adding busybox");
    await addBusybox(tree, {
      source: recipe.busybox,
      applets: recipe.busyboxApplets,
      base,
      cacheDir,
      signal,
    });
  }
  if (!recipe.resolveLibs) return;
  const added = await addLibraries(tree, { hostRoot: "/", signal });
  for (const path of added) input.progress(`adding library ${path}`);
}

async function addInit(tree: RootTree, input: PlanInput): Promise<void> {
  const { init } = input.recipe;
  const mapped = tree.get(INIT_PATH);
  if (init.kind === "none") {
    if (mapped?.kind === "file" || mapped?.kind === "symlink") return;
    throw new Fault(
      "invalid-manifest",
      'Cannot build with init.none: no mapping leads to "/init"',
      { hint: 'Map a program there, such as "./my-init" = "/init"' },
    );
  }
  if (mapped !== undefined) {
    throw new Fault(
      "invalid-manifest",
      `Cannot map a file to "/init": ${
        init.kind === "shim" ? "the shim" : "init.path"
      } goes there`,
      { hint: "Set init.none = true to bring an init by a mapping" },
    );
  }
  const path = init.kind === "shim"
    ? input.shimPath
    : pathFrom(input.base, init.path);
  const purpose = init.kind === "shim" ? "the shim" : "which init.path names";
  const info = await statFile(path, purpose);
  const content = hostFileOf(path, info);
  tree.put(INIT_PATH, { kind: "file", mode: 0o755, ...ROOT_OWNED, content });
}

/** Adds the default boot config; the manifest with its user in numbers. */
async function addBootConfig(
  tree: RootTree,
  { recipe, manifest }: PlanInput,
): Promise<Manifest> {
  if (recipe.init.kind !== "shim") {
    const init = recipe.init.kind === "none"
      ? { none: true } as const
      : { path: INIT_PATH };
    return { ...manifest, init };
  }
  const { workload } = manifest;
  if (workload === undefined) {
    throw new Fault(
      "invalid-manifest",
      `Cannot build "${manifest.name}": its manifest names no workload`,
      { hint: 'Add [workload] with entrypoint = ["/path/of/program"]' },
    );
  }
  const ids = await resolveUser(tree, workload.user);
  const user = workload.user === undefined
    ? undefined
    : `${ids.uid}:${ids.gid}`;
  const resolved = { ...manifest, workload: { ...workload, user } };
  const config = defaultBootConfig(resolved, workload, ids);
  // The guest follows a link on the way there, such as a mapped /etc that leads
  // to /usr/etc. What a mapping brings is the user's own boot config.
  const place = tree.resolve(BOOT_CONFIG_PATH);
  const isMapped = tree.get(BOOT_CONFIG_PATH)?.kind === "symlink" ||
    tree.get(place)?.kind === "file";
  if (isMapped) return resolved;
  tree.put(place, {
    kind: "file",
    // It holds the environment, which may hold secrets.
    mode: 0o600,
    ...ROOT_OWNED,
    content: encodeBootConfig(config),
  });
  return resolved;
}

function compressionFor({ recipe, outputName }: PlanInput): Compression {
  const named = outputName === undefined
    ? undefined
    : compressionOfName(outputName);
  return recipe.compression ?? named ?? "none";
}

async function warningsFor(
  tree: RootTree,
  { recipe, manifest }: PlanInput,
): Promise<string[]> {
  const warnings = [...recipe.unused];
  for (const program of await programsWithoutLoader(tree)) {
    warnings.push(
      `${program} is dynamically linked and its loader is not in the ` +
        `artifact: set resolve_libs = true`,
    );
  }
  const command = manifest.workload?.entrypoint[0];
  const isMissing = recipe.init.kind === "shim" && command?.startsWith("/") &&
    tree.get(tree.resolve(command)) === undefined;
  if (isMissing) {
    warnings.push(`workload.entrypoint names ${command}, which is not mapped`);
  }
  return warnings;
}

function refuseImages({ recipe }: PlanInput): void {
  const key = recipe.image !== undefined
    ? "source.image"
    : recipe.dockerfile !== undefined
    ? "source.dockerfile"
    : undefined;
  if (key === undefined) return;
  throw new Fault(
    "not-supported",
    `Cannot build from ${key}: this version's initramfs strategy takes files from [mappings] alone`,
    { hint: "Unpack the image into a folder and map that folder" },
  );
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  passed: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    yield chunk;
    passed(chunk.length);
  }
}
