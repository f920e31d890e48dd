/**
 * What an image is called in a manifest: its name where it lies, or that of its
 * file, and its tag.
 *
 * @module
 */

import type { OpenedImage } from "./opened_image.ts";
import type { ImageReference } from "./reference.ts";

export interface ImageNames {
  /** The reference, as the user wrote it. */
  readonly text: string;
  /** A name a plugin may have. */
  readonly name: string;
  readonly version: string;
}

const TEXT_CHARACTERS_MAX = 1024;
const NAME_CHARACTERS_MAX = 63;
const DIGEST_CHARACTERS = 12;

/** Endings of files and folders that say nothing of what is in them. */
const ENDINGS = /(?:\.(?:tar|oci|docker|img|image)|-(?:oci|docker))+$/;

export function imageNames(
  { text, path, tag }: Pick<ImageReference, "text" | "path" | "tag">,
  { name, digest }: Pick<OpenedImage, "name" | "digest">,
): ImageNames {
  const known = name ?? tag;
  // A word alone is a tag: the layout's folder has the name.
  const isWhole = known !== undefined && /[/:]/.test(known);
  const last = isWhole ? known.replace(/@.*$/, "").split("/").at(-1) ?? "" : "";
  const [repository = "", itsTag = ""] = last.split(":");
  const file = path.replace(/\/+$/, "").split("/").at(-1) ?? "";
  const hex = digest.slice(digest.indexOf(":") + 1);
  const version = isWhole ? itsTag : known ?? "";
  return {
    text: text.replaceAll(/\p{Cc}/gu, "?").trim().slice(0, TEXT_CHARACTERS_MAX),
    name: pluginName(repository) ?? pluginName(file.replace(ENDINGS, "")) ??
      "image",
    version: /^[\w][\w.-]{0,127}$/.test(version)
      ? version
      : hex.slice(0, DIGEST_CHARACTERS),
  };
}

function pluginName(text: string): string | undefined {
  const name = text.replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "").slice(0, NAME_CHARACTERS_MAX)
    .replace(/[^A-Za-z0-9]+$/, "");
  return name === "" ? undefined : name;
}
