/**
 * What somebody may have meant who named an image that no registry has: a layout
 * or an archive in the current folder, of nearly that name.
 *
 * @module
 */

import { nearest } from "../../manifest/nearest.ts";
import type { RegistryReference } from "./registry/registry_reference.ts";

const ENTRIES_MAX = 1000;

const ARCHIVE_REGEXP = /\.(?:tar|oci|docker)$/;

/** What to write for it, such as `oci:./tools`; undefined if nothing is near. */
export async function similarImage(
  { repository, tag }: Pick<RegistryReference, "repository" | "tag">,
  folder = ".",
): Promise<string | undefined> {
  const found = new Map<string, string>();
  let left = ENTRIES_MAX;
  try {
    for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
      if (left-- === 0) break;
      if (isFile && ARCHIVE_REGEXP.test(name)) {
        found.set(name.replace(ARCHIVE_REGEXP, ""), `./${name}`);
      }
      if (isDirectory && await isLayout(`${folder}/${name}`)) {
        found.set(name, `oci:./${name}`);
      }
    }
  } catch {
    // What cannot be listed holds nothing to propose.
    return undefined;
  }
  const last = repository.split("/").at(-1) ?? repository;
  const names = [...found.keys()];
  const near = nearest(last, names) ?? nearest(`${last}-${tag ?? ""}`, names);
  return near === undefined ? undefined : found.get(near);
}

async function isLayout(folder: string): Promise<boolean> {
  return await Deno.stat(`${folder}/index.json`).then((info) => info.isFile)
    .catch(() => false);
}
