/**
 * Images in an OCI layout, a folder or a tar archive of one: `index.json` names
 * manifests or further indexes, by tags. What follows from there is in
 * `image_opening.ts`.
 *
 * @module
 */

import { imagesMeant, notChosen } from "./image_choice.ts";
import type { FileBytes, ImageFiles } from "./image_files.ts";
import { choosePlatform, openManifest } from "./image_opening.ts";
import { damaged, ImageProblem } from "./image_problem.ts";
import {
  type Descriptor,
  type ImageIndex,
  indexSchema,
  readDocument,
} from "./image_schema.ts";
import {
  hostPlatform,
  type OpenedImage,
  type Platform,
} from "./opened_image.ts";
import type { ImageReference } from "./reference.ts";

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
  const tagged = chooseTag(index, reference, hostPlatform());
  const source = { open: (one: Descriptor) => blob(files, one) };
  const image = await openManifest(source, tagged, signal);
  return { ...image, name: nameOf(tagged) };
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
