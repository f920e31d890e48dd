/**
 * Images as `docker save` writes them: `manifest.json` names a config and plain
 * layers by their paths in the archive. There is no manifest with a digest; the
 * config, which names the layers' own, has one, known as the image's ID.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fault } from "../../lib/fault.ts";
import type { ImageFiles } from "./image_files.ts";
import { damaged, mismatch, quoted } from "./image_problem.ts";
import {
  configSchema,
  type DockerManifest,
  dockerManifestSchema,
  readBlobDocument,
  readDocument,
} from "./image_schema.ts";
import { checkPlatform } from "./layout.ts";
import {
  hostPlatform,
  type LayerBlob,
  type OpenedImage,
} from "./opened_image.ts";
import type { ImageReference } from "./reference.ts";

export async function openDockerArchive(
  files: ImageFiles,
  reference: ImageReference,
  signal: AbortSignal,
): Promise<OpenedImage> {
  const file = await files.find("manifest.json");
  if (file === undefined) throw damaged("it has no manifest.json");
  const list = await readDocument(
    "manifest.json",
    file,
    dockerManifestSchema,
    signal,
  );
  const image = chooseImage(list, reference);
  const configFile = await files.find(image.Config);
  if (configFile === undefined) {
    throw damaged(`${quoted(image.Config)} is not in it`);
  }
  const digest = await digestOf(configFile.chunks(signal));
  checkName(image.Config, digest);
  const config = await readBlobDocument("config", configFile, { digest }, {
    schema: configSchema,
    signal,
  });
  checkPlatform(config, hostPlatform());
  const paths = image.Layers ?? [];
  const { diff_ids } = config.rootfs;
  if (diff_ids.length !== paths.length) {
    throw damaged(
      `its manifest has ${paths.length} layers, its config ${diff_ids.length}`,
    );
  }
  const layers = await Promise.all(
    paths.map((path, index) => layerOf(files, path, diff_ids[index] ?? "")),
  );
  return { digest, config, layers, name: nameOf(image, reference.tag) };
}

type DockerImage = DockerManifest[number];

function chooseImage(
  list: DockerManifest,
  { text, tag }: ImageReference,
): DockerImage {
  const named = tag === undefined
    ? list
    : list.filter((image) => nameOf(image, tag) !== undefined);
  const [found] = named;
  if (found !== undefined && (tag !== undefined || named.length === 1)) {
    return found;
  }
  const names = list.flatMap(({ RepoTags = [] }) => RepoTags).slice(0, 10);
  throw new Fault(
    "invalid-input",
    tag === undefined
      ? `Cannot choose from image "${text}": it holds ${list.length} images`
      : `Cannot read image "${text}": it has no "${tag}"`,
    {
      hint: `Add one of its names to the file's: ${
        names.join(", ") || "no names"
      }`,
    },
  );
}

/** The name that a tag or name means; without one, the first. */
function nameOf(
  { RepoTags = [] }: DockerImage,
  tag: string | undefined,
): string | undefined {
  if (tag === undefined) return RepoTags[0];
  return RepoTags.find((name) =>
    name === tag || name.endsWith(`/${tag}`) || name.endsWith(`:${tag}`)
  );
}

async function digestOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

/** The config's file is named after its digest. */
function checkName(path: string, digest: string): void {
  const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
  if (named === undefined || `sha256:${named}` === digest) return;
  throw mismatch(`its config is named ${named}, but its bytes give ${digest}`);
}

async function layerOf(
  files: ImageFiles,
  path: string,
  diffId: string,
): Promise<LayerBlob> {
  const file = await files.find(path);
  if (file === undefined) throw damaged(`${quoted(path)} is not in it`);
  return { diffId, size: file.size, read: (signal) => file.chunks(signal) };
}
