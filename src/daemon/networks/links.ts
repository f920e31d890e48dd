/**
 * What `ip -json -details link` says of interfaces, as far as it matters here.
 *
 * @module
 */

import type { NetworkPrograms } from "./programs.ts";
import { lastWords, unavailable } from "./programs.ts";

export interface Link {
  readonly name: string;
  readonly mac: string;
  readonly alias: string;
  /** Such as `bridge`, `tun`; empty for a device that is real. */
  readonly kind: string;
  /** The bridge it is a port of, if any. */
  readonly master: string;
  readonly isUp: boolean;
  /** Of a bridge's port: whether it is kept from other such ports. */
  readonly isIsolated: boolean;
}

interface LinkJson {
  readonly ifname?: string;
  readonly address?: string;
  readonly ifalias?: string;
  readonly master?: string;
  readonly flags?: readonly string[];
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_slave_data?: { readonly isolated?: boolean };
  };
}

/** The interface of that name, or undefined. */
export async function findLink(
  programs: NetworkPrograms,
  name: string,
): Promise<Link | undefined> {
  if (!(await linkNames()).has(name)) return undefined;
  return (await readLinks(programs, ["dev", name])).at(0);
}

/** The ports of a bridge; none if there is no such bridge. */
export async function portsOf(
  programs: NetworkPrograms,
  bridge: string,
): Promise<Link[]> {
  if (!(await linkNames()).has(bridge)) return [];
  return await readLinks(programs, ["master", bridge]);
}

/** The names of all interfaces; quick, for it starts no program. */
export async function linkNames(): Promise<ReadonlySet<string>> {
  const text = await Deno.readTextFile("/proc/self/net/dev");
  return new Set(
    [...text.matchAll(/^\s*([^\s:]+):/gm)].map(([, name = ""]) => name),
  );
}

async function readLinks(
  programs: NetworkPrograms,
  which: readonly string[],
): Promise<Link[]> {
  const result = await programs.ip(["-j", "-d", "link", "show", ...which]);
  // It may have gone since its name was read.
  if (/does not exist/.test(result.stderr)) return [];
  if (result.status !== 0) {
    throw unavailable(
      `\`ip link show\` failed: ${lastWords(result)}`,
      "See what `ip link show` says on this host",
    );
  }
  return parseLinks(result.stdout);
}

/** Pure; exported for its test. */
export function parseLinks(json: string): Link[] {
  if (json.trim() === "") return [];
  return (JSON.parse(json) as readonly LinkJson[]).flatMap((link) =>
    link.ifname === undefined ? [] : [{
      name: link.ifname,
      mac: link.address ?? "",
      alias: link.ifalias ?? "",
      kind: link.linkinfo?.info_kind ?? "",
      master: link.master ?? "",
      isUp: link.flags?.includes("UP") ?? false,
      isIsolated: link.linkinfo?.info_slave_data?.isolated ?? false,
    }]
  );
}
