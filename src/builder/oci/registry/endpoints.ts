/**
 * Which servers to ask for an image: mirrors that were named, in their order,
 * and the registry itself.
 *
 *   VOLANT_REGISTRY_MIRROR=https://mirror.lan             of the default registry
 *   VOLANT_REGISTRY_MIRROR='team.lan=http://10.0.0.2:5000 https://mirror.lan'
 *
 * @module
 */

import { Fault } from "../../../lib/fault.ts";
import { DEFAULT_REGISTRY } from "./default_registry.ts";
import { isLoopback } from "./registry_reference.ts";

export interface Endpoint {
  /** As messages name it, and what one logs in to. */
  readonly registry: string;
  readonly host: string;
  /** `either`: https, unless the server does not speak it. */
  readonly scheme: "https" | "http" | "either";
  readonly isMirror: boolean;
}

const MIRRORS_MAX = 20;

export function endpointsOf(
  registry: string,
  { mirrors, plainHttp }: {
    /** VOLANT_REGISTRY_MIRROR. */
    readonly mirrors: string | undefined;
    readonly plainHttp: boolean;
  },
): Endpoint[] {
  const isDefault = registry === DEFAULT_REGISTRY.name;
  const host = isDefault ? DEFAULT_REGISTRY.host : registry;
  const scheme = plainHttp ? "http" : isLoopback(host) ? "either" : "https";
  return [
    ...parseMirrors(mirrors ?? "").filter((each) => each.of === registry)
      .map((each) => each.endpoint),
    { registry, host, scheme, isMirror: false },
  ];
}

function parseMirrors(
  text: string,
): { readonly of: string; readonly endpoint: Endpoint }[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  return words.slice(0, MIRRORS_MAX).map((word) => {
    const [, of = DEFAULT_REGISTRY.name, address = ""] =
      /^(?:([^=/]+)=)?(.*)$/.exec(word) ?? [];
    const url = URL.parse(address);
    const isAddress = url !== null && /^https?:$/.test(url.protocol) &&
      url.pathname === "/" && url.search === "" && url.username === "";
    if (!isAddress) {
      throw new Fault(
        "invalid-input",
        "Cannot read VOLANT_REGISTRY_MIRROR: a word in it is not a mirror",
        {
          hint:
            "Write https://HOST[:PORT], or REGISTRY=https://HOST[:PORT], separated by spaces",
        },
      );
    }
    const scheme = url.protocol === "http:" ? "http" : "https";
    const { host } = url;
    return { of, endpoint: { registry: host, host, scheme, isMirror: true } };
  });
}
