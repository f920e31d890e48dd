/**
 * Images as `docker save` writes them: `manifest.json` names a config and plain
 * layers by their paths in the archive. There is no manifest with a digest; the
 * config, which names the layers' own, has one, known as the image's ID.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { imagesMeant, meantBy, notChosen } from "./image_choice.ts";
import type { ImageFiles } from "./image_files.ts";
import { checkedLayers, checkPlatform } from "./image_opening.ts";
import { quoted } from "../../archive/problem.ts";
import { damaged, mismatch } from "./image_problem.ts";
import {
  configSchema,
  type DockerManifest,
  dockerManifestSchema,
  readBlobDocument,
  readDocument,
} from "./image_schema.ts";
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
  const layers = await checkedLayers(
    image.Layers ?? [],
    config,
    (path, diffId) => layerOf(files, path, diffId),
  );
  return { digest, config, layers, name: nameOf(image, reference.tag) };
}

type DockerImage = DockerManifest[number];

function chooseImage(
  list: DockerManifest,
  reference: ImageReference,
): DockerImage {
  const { tag } = reference;
  const named = tag === undefined
    ? list
    : imagesMeant(tag, list, ({ RepoTags = [] }) => RepoTags);
  const [found] = named;
  const configs = new Set(named.map(({ Config }) => Config));
  if (found !== undefined && configs.size === 1) return found;
  const names = list.flatMap(({ RepoTags = [] }) => RepoTags);
  throw notChosen(reference, {
    meant: named.length,
    count: list.length,
    names,
  });
}

/** The name that a tag or name means; without one, the first. */
function nameOf(
  { RepoTags = [] }: DockerImage,
  tag: string | undefined,
): string | undefined {
  return tag === undefined ? RepoTags[0] : meantBy(tag, RepoTags)[0];
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
