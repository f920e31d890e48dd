/**
 * Where an image is, as a user writes it: `oci:DIR[:TAG]`, `oci-archive:FILE`,
 * `docker-archive:FILE`, the bare path of any of them, or a name in a registry. A
 * path may hold colons, so what is on the disk decides where it ends and the tag
 * begins; what is on the disk goes before what a registry may have.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { openRegularFile } from "../../lib/files.ts";
import { archiveFiles } from "./image_files.ts";
import { reading } from "./image_problem.ts";
import {
  parseRegistryReference,
  type RegistryReference,
} from "./registry/registry_reference.ts";

export type Transport = "oci" | "oci-archive" | "docker-archive";

export interface ImageReference {
  /** As the user wrote it, for messages and the manifest. */
  readonly text: string;
  readonly transport: Transport;
  readonly path: string;
  /** Which image of several: a tag, or a whole name such as `nginx:alpine`. */
  readonly tag: string | undefined;
}

const FORMS =
  "Write [HOST/]NAME[:TAG] for one in a registry, or oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG], or the path of one";

const TRANSPORTS = ["oci", "oci-archive", "docker-archive"] as const;

/** Other words of skopeo, which would be taken for the name of an image. */
const OTHER_TRANSPORTS =
  /^(?:containers-storage|docker-daemon|dir|ostree|sif|tarball|https?|file):/;

/** Finds what a reference names; throws for what is none, or not there. */
export async function findImage(
  text: string,
  signal: AbortSignal,
): Promise<ImageReference | RegistryReference> {
  const transport = TRANSPORTS.find((each) => text.startsWith(`${each}:`));
  if (transport !== undefined) {
    const rest = text.slice(transport.length + 1);
    if (rest === "") throw invalid(text, "it names no file");
    const found = await splitPath(rest);
    if (found === undefined) throw absent(text, withoutTag(rest));
    await checkKind(text, transport, found.path);
    return { text, transport, ...found };
  }
  const found = text === "" ? undefined : await splitPath(text);
  const detected = found && await detect(found.path, signal);
  if (found !== undefined && detected !== undefined) {
    return { text, transport: detected, ...found };
  }
  if (/^(?:\.{0,2}\/|~)/.test(text) || text === "." || text === "..") {
    throw found === undefined
      ? absent(text, withoutTag(text))
      : invalid(text, "it is there, but holds no image");
  }
  if (OTHER_TRANSPORTS.test(text)) {
    throw invalid(text, "it is not of a known form");
  }
  const named = parseRegistryReference(text);
  if (named !== undefined) return named;
  const isCapital = parseRegistryReference(text.toLowerCase()) !== undefined;
  throw invalid(
    text,
    isCapital
      ? "names of images are in small letters"
      : "it is not of a known form",
  );
}

/** The longest beginning that is on the disk; what follows its colon is the tag. */
async function splitPath(
  rest: string,
): Promise<Pick<ImageReference, "path" | "tag"> | undefined> {
  for (let end = rest.length; end > 0; end = rest.lastIndexOf(":", end - 1)) {
    const path = rest.slice(0, end);
    if (!await isThere(path)) continue;
    const tag = rest.slice(end + 1);
    return { path, tag: tag === "" ? undefined : tag };
  }
  return undefined;
}

async function detect(
  path: string,
  signal: AbortSignal,
): Promise<Transport | undefined> {
  if ((await Deno.stat(path)).isDirectory) {
    return await isThere(`${path}/index.json`) ? "oci" : undefined;
  }
  const files = await reading(
    `image "${path}"`,
    () => archiveFiles(path, signal),
  );
  // Docker writes both; only the layout has a digest for the whole image.
  const hasLayout = await files.find("oci-layout") !== undefined;
  if (hasLayout && await files.find("index.json") !== undefined) {
    return "oci-archive";
  }
  return await files.find("manifest.json") === undefined
    ? undefined
    : "docker-archive";
}

async function checkKind(
  text: string,
  transport: Transport,
  path: string,
): Promise<void> {
  const { isDirectory } = await Deno.stat(path);
  if (transport === "oci" && !isDirectory) {
    throw invalid(text, `"${path}" is not a folder`);
  }
  if (transport === "oci") return;
  if (isDirectory) throw invalid(text, `"${path}" is a folder`);
  const hint = "Name an archive that can be read";
  (await openRegularFile(path, { what: "image", hint })).close();
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new Fault(
        "file-not-found",
        `Cannot read image "${path}": permission denied`,
        { cause: error, hint: "Run as its owner, or copy it" },
      );
    }
    // Also a name longer than file systems allow.
    return false;
  }
}

function withoutTag(rest: string): string {
  const colon = rest.lastIndexOf(":");
  return colon > rest.lastIndexOf("/") ? rest.slice(0, colon) : rest;
}

function absent(text: string, path: string): Fault {
  return new Fault(
    "file-not-found",
    `Cannot read image "${text}": "${path}" is not there`,
    { hint: `Check the path: ls -d "${path}"` },
  );
}

function invalid(text: string, reason: string): Fault {
  return new Fault(
    "invalid-input",
    `Cannot read image "${text}": ${reason}`,
    { hint: FORMS },
  );
}
