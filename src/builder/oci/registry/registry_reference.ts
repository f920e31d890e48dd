/**
 * The name of an image in a registry: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`. What
 * comes before the first slash is a host if it looks like one, as Docker has it.
 *
 * @module
 */

import { isCheckable } from "../layer_stream.ts";
import { DEFAULT_REGISTRY } from "./default_registry.ts";

export interface RegistryReference {
  readonly transport: "registry";
  /** As the user wrote it, for messages and the manifest. */
  readonly text: string;
  /** Host, and port if one is named. */
  readonly registry: string;
  readonly repository: string;
  /** `latest` where neither tag nor digest is written. */
  readonly tag: string | undefined;
  /** What the image must be, whatever the tag names. */
  readonly digest: string | undefined;
}

/** Hosts name repositories of 255 characters at most. */
const NAME_CHARACTERS_MAX = 255;

const HOST_REGEXP =
  /^(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

const PART_REGEXP = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/;

const TAG_REGEXP = /^\w[\w.-]{0,127}$/;

/** What a text names in a registry; undefined if it is not of that form. */
export function parseRegistryReference(
  text: string,
): RegistryReference | undefined {
  const [whole = "", digest, ...more] = text.replace(/^docker:\/\//, "")
    .split("@");
  if (more.length > 0 || (digest !== undefined && !isCheckable(digest))) {
    return undefined;
  }
  const colon = whole.lastIndexOf(":");
  const hasTag = colon > whole.lastIndexOf("/");
  const name = hasTag ? whole.slice(0, colon) : whole;
  const tag = hasTag ? whole.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG_REGEXP.test(tag)) return undefined;
  const place = splitName(name);
  if (place === undefined) return undefined;
  return {
    transport: "registry",
    text,
    ...place,
    tag: tag ?? (digest === undefined ? "latest" : undefined),
    digest,
  };
}

/** The same text for all ways to write one name. */
export function canonicalName(
  { registry, repository, tag, digest }: RegistryReference,
): string {
  const suffix = (tag === undefined ? "" : `:${tag}`) +
    (digest === undefined ? "" : `@${digest}`);
  return `${registry}/${repository}${suffix}`;
}

/** Whether a registry is on this very host. */
export function isLoopback(registry: string): boolean {
  const host = registry.replace(/:\d+$/, "");
  return host === "localhost" || host.endsWith(".localhost") ||
    host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function splitName(
  name: string,
): Pick<RegistryReference, "registry" | "repository"> | undefined {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isHost = first === "localhost" || /[.:]/.test(first) ||
    first !== first.toLowerCase();
  const { name: ofDefault, aliases, namespace } = DEFAULT_REGISTRY;
  const registry = isHost ? first.toLowerCase() : ofDefault;
  const path = isHost ? name.slice(slash + 1) : name;
  const isPath = path.length <= NAME_CHARACTERS_MAX &&
    path.split("/").every((part) => PART_REGEXP.test(part));
  if (!isPath || !HOST_REGEXP.test(registry)) return undefined;
  if (registry !== ofDefault && !aliases.includes(registry)) {
    return { registry, repository: path };
  }
  const repository = path.includes("/") ? path : `${namespace}/${path}`;
  return { registry: ofDefault, repository };
}
