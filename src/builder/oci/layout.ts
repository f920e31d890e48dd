/**
 * Images in an OCI layout, a folder or a tar archive of one: `index.json` names
 * manifests or further indexes, these name blobs. Of an image for several
 * platforms the one for this host is taken.
 *
 * @module
 */

import { imagesMeant, notChosen } from "./image_choice.ts";
import type { FileBytes, ImageFiles } from "./image_files.ts";
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
  readDocument,
} from "./image_schema.ts";
import { verified } from "./layer_stream.ts";
import {
  hostPlatform,
  type LayerBlob,
  type OpenedImage,
  type Platform,
} from "./opened_image.ts";
import type { ImageReference } from "./reference.ts";

const INDEX_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

const MANIFEST_TYPES = [
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

const REF_NAME = "org.opencontainers.image.ref.name";

/** Whole names, by containerd and BuildKit. */
const IMAGE_NAME = "io.containerd.image.name";

export async function openLayout(
  files: ImageFiles,
  reference: ImageReference,
  signal: AbortSignal,
): Promise<OpenedImage> {
  const file = await files.find("index.json");
  if (file === undefined) throw damaged("it has no index.json");
  const index = await readDocument("index.json", file, indexSchema, signal);
  const platform = hostPlatform();
  const tagged = chooseTag(index, reference, platform);
  const { digest, manifest } = await findManifest(
    { files, platform, signal },
    { descriptor: tagged, depth: 0 },
  );
  checkTypes(manifest);
  const config = await readBlobDocument(
    "config",
    await blob(files, manifest.config),
    manifest.config,
    { schema: configSchema, signal },
  );
  checkPlatform(config, platform);
  const layers = await checkedLayers(
    manifest.layers,
    config,
    (layer, diffId) => layerBlob(files, layer, diffId),
  );
  return { digest, config, layers, name: nameOf(tagged) };
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

function chooseTag(
  { manifests }: ImageIndex,
  reference: ImageReference,
  platform: Platform,
): Descriptor {
  const { tag } = reference;
  // Without a tag, an image that is the only one may have any name, or none.
  const named = tag === undefined && new Set(manifests.map(nameOf)).size === 1
    ? manifests
    : imagesMeant(tag ?? "latest", manifests, namesOf);
  const [first] = named;
  const digests = new Set(named.map(({ digest }) => digest));
  if (first !== undefined && digests.size === 1) return first;
  if (isOneImage(named)) return choosePlatform({ manifests: named }, platform);
  const names = manifests.flatMap((each) => nameOf(each) ?? []);
  throw notChosen(reference, {
    meant: named.length,
    count: manifests.length,
    names,
  });
}

/** Whether these are one image for several platforms, without an index of its own. */
function isOneImage(named: readonly Descriptor[]): boolean {
  const platforms = named.map(({ platform }) => platform)
    .filter((each) => each?.os !== "unknown");
  const texts = platforms.map((each) =>
    each && [each.os, each.architecture, each.variant].join("/")
  );
  return named.length > 0 && !texts.includes(undefined) &&
    new Set(texts).size === texts.length &&
    new Set(named.map(nameOf)).size === 1;
}

function namesOf({ annotations = {} }: Descriptor): string[] {
  return [annotations[IMAGE_NAME], annotations[REF_NAME]]
    .filter((name) => name !== undefined);
}

function nameOf({ annotations = {} }: Descriptor): string | undefined {
  return annotations[IMAGE_NAME] ?? annotations[REF_NAME];
}

interface Search {
  readonly files: ImageFiles;
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
  const { files, platform, signal } = search;
  const { mediaType = "", digest } = descriptor;
  const file = await blob(files, descriptor);
  if (MANIFEST_TYPES.includes(mediaType)) {
    const options = { schema: manifestSchema, signal };
    const manifest = await readBlobDocument(
      "manifest",
      file,
      descriptor,
      options,
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
  const options = { schema: indexSchema, signal };
  const index = await readBlobDocument("index", file, descriptor, options);
  const chosen = choosePlatform(index, platform);
  return await findManifest(search, { descriptor: chosen, depth: depth + 1 });
}

/** The plainest variant: what any machine of the architecture can run. */
function choosePlatform(
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
  files: ImageFiles,
  descriptor: Descriptor,
  diffId: string,
): Promise<LayerBlob> {
  const file = await blob(files, descriptor);
  if (file.size !== descriptor.size) {
    throw mismatch(
      `layer ${descriptor.digest} has ${file.size} bytes, but is said to have ${descriptor.size}`,
    );
  }
  return {
    diffId,
    size: file.size,
    read: (signal) =>
      verified(
        file.chunks(signal),
        descriptor.digest,
        "its stored bytes have the digest",
      ),
  };
}

async function blob(
  files: ImageFiles,
  { digest }: Descriptor,
): Promise<FileBytes> {
  const file = await files.find(`blobs/${digest.replace(":", "/")}`);
  if (file !== undefined) return file;
  throw new ImageProblem("invalid-image", `blob ${digest} is not in it`, {
    hint: "Copy the image again: this copy of it is not whole",
  });
}
