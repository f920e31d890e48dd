/**
 * What a registry has answered with, told by the document itself: some send the
 * wrong `Content-Type`, or one that says no more than JSON.
 *
 * @module
 */

import { INDEX_TYPES, MANIFEST_TYPES } from "../image_opening.ts";
import { ImageProblem } from "../image_problem.ts";

/** Docker's first format, which names no config and no sizes. */
const FIRST_FORMAT = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;

export function manifestAccept(): string {
  return [...INDEX_TYPES, ...MANIFEST_TYPES].join(", ");
}

/** The media type of a manifest or index; throws for what is none. */
export function manifestType(
  bytes: Uint8Array,
  contentType: string | undefined,
): string {
  const told = contentType?.replace(/\s*;.*$/, "").toLowerCase() ?? "";
  const document = parse(bytes);
  const { mediaType, schemaVersion, fsLayers, manifests, layers, config } =
    document;
  const isFirstFormat = schemaVersion === 1 || fsLayers !== undefined ||
    FIRST_FORMAT.test(String(mediaType ?? told));
  if (isFirstFormat) {
    throw new ImageProblem(
      "not-supported",
      "its manifest is of Docker's first format (schema 1), which was given up",
      { hint: "Push the image again with a Docker or Podman of today" },
    );
  }
  if (typeof mediaType === "string" && mediaType !== "") return mediaType;
  if ([...INDEX_TYPES, ...MANIFEST_TYPES].includes(told)) return told;
  const [index = "", manifest = ""] = [INDEX_TYPES[0], MANIFEST_TYPES[0]];
  if (Array.isArray(manifests)) return index;
  if (Array.isArray(layers) && config !== undefined) return manifest;
  throw strange("is neither a manifest nor an index");
}

function parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof value === "object" && value !== null) {
      return value as Readonly<Record<string, unknown>>;
    }
  } catch {
    // Said below.
  }
  throw strange("for its manifest is not JSON");
}

function strange(what: string): ImageProblem {
  return new ImageProblem("invalid-image", `what the registry sent ${what}`, {
    hint: "Check that it is a registry: a proxy may have answered in its place",
  });
}
