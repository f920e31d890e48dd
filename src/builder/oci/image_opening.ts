/**
 * From the descriptor of a manifest, or of an index of several, to an image:
 * what layouts and registries have in common. Of an image for several platforms
 * the one for this host is taken. Where blobs come from is the caller's affair.
 *
 * @module
 */

import type { FileBytes } from "./image_files.ts";
import { damaged, ImageProblem, mismatch } from "./image_problem.ts";
import {
  configSchema,
  type Descriptor,
  type ImageConfig,
  type ImageIndex,
  type ImageManifest,
  indexSchema,
  manifestSchema,
  readBlobDocument,
} from "./image_schema.ts";
import { verified } from "./layer_stream.ts";
import {
  hostPlatform,
  type LayerBlob,
  type OpenedImage,
  type Platform,
} from "./opened_image.ts";

export const INDEX_TYPES: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

export const MANIFEST_TYPES: readonly string[] = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

const CONFIG_TYPES = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];

const LAYER_TYPE =
  /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar|docker\.image\.rootfs\.diff\.tar)(?:[.+](?:gzip|zstd))?$/;

const FOREIGN_TYPE = /foreign|nondistributable/;

/** Indexes within indexes; registries make two of them at most. */
const DEPTH_MAX = 5;

/** What a blob is to be: a manifest is asked for elsewhere than a layer. */
export type BlobKind = "index" | "manifest" | "config" | "layer";

export interface BlobSource {
  /** The bytes a descriptor names; throws if they are not to be had. */
  open(descriptor: Descriptor, kind: BlobKind): Promise<FileBytes>;
}

/** An image without a name; its layers are opened, and none of them is read. */
export async function openManifest(
  source: BlobSource,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<Omit<OpenedImage, "name">> {
  const platform = hostPlatform();
  const search = { source, platform, signal };
  const found = await findManifest(search, { descriptor, depth: 0 });
  const { digest, manifest } = found;
  checkTypes(manifest);
  const config = await readBlobDocument(
    "config",
    await source.open(manifest.config, "config"),
    manifest.config,
    { schema: configSchema, signal },
  );
  checkPlatform(config, platform);
  const layers = await checkedLayers(
    manifest.layers,
    config,
    (layer, diffId) => layerBlob(source, layer, diffId),
  );
  return { digest, config, layers };
}

/** Layers with what the config says of each; both have to count alike. */
export async function checkedLayers<Layer>(
  layers: readonly Layer[],
  { rootfs: { diff_ids } }: ImageConfig,
  open: (layer: Layer, diffId: string) => Promise<LayerBlob>,
): Promise<LayerBlob[]> {
  if (diff_ids.length !== layers.length) {
    throw damaged(
      `its manifest has ${layers.length} layers, its config ${diff_ids.length}`,
    );
  }
  return await Promise.all(
    layers.map((layer, index) => open(layer, diff_ids[index] ?? "")),
  );
}

/** An image for another machine would start, and end with "Exec format error". */
export function checkPlatform(
  config: Partial<{ os: string | undefined; architecture: string | undefined }>,
  platform: Platform,
): void {
  const os = config.os ?? platform.os;
  const architecture = config.architecture ?? platform.architecture;
  if (os === platform.os && architecture === platform.architecture) return;
  throw wrongPlatform([`${os}/${architecture}`], platform);
}

/** The plainest variant: what any machine of the architecture can run. */
export function choosePlatform(
  { manifests }: Pick<ImageIndex, "manifests">,
  platform: Platform,
): Descriptor {
  const fitting = manifests.filter((each) =>
    each.platform === undefined ||
    each.platform.os === platform.os &&
      each.platform.architecture === platform.architecture
  );
  const rank = ({ platform }: Descriptor) =>
    platform === undefined ? "z" : platform.variant ?? "";
  const [found] = fitting.toSorted((a, b) => rank(a) < rank(b) ? -1 : 1);
  if (found !== undefined) return found;
  const there = manifests.flatMap(({ platform }) =>
    // Notes on how an image was made have the platform "unknown".
    platform?.os === undefined || platform.os === "unknown"
      ? []
      : [`${platform.os}/${platform.architecture}`]
  );
  throw wrongPlatform(there, platform);
}

function wrongPlatform(
  found: readonly string[],
  { os, architecture }: Platform,
): ImageProblem {
  return new ImageProblem(
    "not-supported",
    `it is for ${
      found.slice(0, 10).join(", ") || "no platform"
    }, and this host runs ${os}/${architecture}`,
    { hint: `Get the image for ${os}/${architecture}` },
  );
}

interface Search {
  readonly source: BlobSource;
  readonly platform: Platform;
  readonly signal: AbortSignal;
}

async function findManifest(
  search: Search,
  { descriptor, depth }: {
    readonly descriptor: Descriptor;
    readonly depth: number;
  },
): Promise<{ readonly digest: string; readonly manifest: ImageManifest }> {
  const { source, platform, signal } = search;
  const { mediaType = "", digest } = descriptor;
  if (MANIFEST_TYPES.includes(mediaType)) {
    const manifest = await readBlobDocument(
      "manifest",
      await source.open(descriptor, "manifest"),
      descriptor,
      { schema: manifestSchema, signal },
    );
    return { digest, manifest };
  }
  if (!INDEX_TYPES.includes(mediaType)) {
    throw new ImageProblem(
      "not-supported",
      `it has a manifest of the type "${mediaType.slice(0, 120)}"`,
      { hint: "Copy it with skopeo copy --format oci" },
    );
  }
  if (depth >= DEPTH_MAX) throw damaged("its indexes go too deep");
  const index = await readBlobDocument(
    "index",
    await source.open(descriptor, "index"),
    descriptor,
    { schema: indexSchema, signal },
  );
  const chosen = choosePlatform(index, platform);
  return await findManifest(search, { descriptor: chosen, depth: depth + 1 });
}

function checkTypes({ config, layers }: ImageManifest): void {
  const { mediaType = "" } = config;
  if (!CONFIG_TYPES.includes(mediaType)) {
    throw new ImageProblem(
      "not-supported",
      `it is no container image: its config is of the type "${
        mediaType.slice(0, 120)
      }"`,
      { hint: "Name an image that Docker or Podman can run" },
    );
  }
  for (const { mediaType = "" } of layers) {
    if (FOREIGN_TYPE.test(mediaType)) {
      throw new ImageProblem(
        "not-supported",
        "a layer of it is foreign: its bytes are not part of the image",
        { hint: "Build it on a base image that holds all of its layers" },
      );
    }
    if (LAYER_TYPE.test(mediaType)) continue;
    throw new ImageProblem(
      "not-supported",
      `a layer of it is of the type "${mediaType.slice(0, 120)}"`,
      { hint: "Copy it with skopeo copy --format oci, decrypted if need be" },
    );
  }
}

async function layerBlob(
  source: BlobSource,
  descriptor: Descriptor,
  diffId: string,
): Promise<LayerBlob> {
  const { digest } = descriptor;
  const file = await source.open(descriptor, "layer");
  if (file.size !== descriptor.size) {
    throw mismatch(
      `layer ${digest} has ${file.size} bytes, but is said to have ${descriptor.size}`,
    );
  }
  return {
    diffId,
    size: file.size,
    digest,
    read: (signal) =>
      verified(
        file.chunks(signal),
        digest,
        "its stored bytes have the digest",
      ),
  };
}
