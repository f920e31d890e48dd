/**
 * The bridge of one daemon: made when the first guest needs it.
 *
 * It stays when the daemon ends. Whose it is, its MAC address says: that follows
 * from the bridge's name and the daemon's state directory, and stands there from
 * the first moment on. The alias says the same in words.
 *
 * @module
 */

import { mayChangeNetwork } from "../../host/capabilities.ts";
import {
  ADDRESSES,
  describeRange,
  inTheWayOf,
  ROUTES,
  usedRanges,
} from "../../host/routes.ts";
import { type Cidr, formatCidr, parseCidr } from "../../lib/ipv4.ts";
import { step } from "../../lib/step.ts";
import { asError, Batches, type JobResult } from "./batches.ts";
import { findLink, linkNames } from "./links.ts";
import { macAddress } from "./mac.ts";
import { lastWords, type NetworkPrograms, unavailable } from "./programs.ts";
import { setBridgeSysctls } from "./sysctls.ts";

/** The kernel takes 255 bytes. */
const ALIAS_PATH_MAX = 240;

export class Bridge {
  readonly name: string;
  readonly #stateDir: string;
  readonly #programs: NetworkPrograms;
  readonly #batches = new Batches<Cidr>((hosts) => this.#carry(hosts));
  /** Addresses known to be on it; none before it was looked at. */
  readonly #carried = new Set<string>();

  constructor(name: string, stateDir: string, programs: NetworkPrograms) {
    this.name = name;
    this.#stateDir = stateDir;
    this.#programs = programs;
  }

  /**
   * Sees to it that the bridge is there and has `host`, an address with the
   * prefix of its subnet. Throws `network-unavailable`.
   */
  async carry(host: Cidr): Promise<void> {
    await this.#batches.run(host);
  }

  /** The host's addresses on it, as far as they are known. */
  hostAddresses(): string[] {
    return [...this.#carried].map((text) => text.replace(/\/.*/, ""));
  }

  /** `other` is somebody else's of that name. */
  async whose(): Promise<"ours" | "other" | "nobody's"> {
    const link = await findLink(this.#programs, this.name);
    if (link === undefined) return "nobody's";
    const { mac, alias } = await this.#mark();
    const isOurs = link.kind === "bridge" && link.mac === mac &&
      (link.alias === "" || link.alias === alias);
    return isOurs ? "ours" : "other";
  }

  /** Takes all addresses off it but these; nothing if it is not there. */
  async keepOnly(hosts: readonly Cidr[]): Promise<void> {
    const kept = new Set(hosts.map(formatCidr));
    for (const address of await this.#addresses()) {
      if (kept.has(address)) continue;
      await this.#ip(["address", "delete", address, "dev", this.name]);
      this.#carried.delete(address);
    }
  }

  async #carry(hosts: readonly Cidr[]): Promise<readonly JobResult[]> {
    const isThere = (await linkNames()).has(this.name);
    if (!isThere) this.#carried.clear();
    if (hosts.every((host) => this.#carried.has(formatCidr(host)))) return [];
    if (!await mayChangeNetwork()) throw noRight();
    if (!isThere) await this.#make();
    else if (this.#carried.size === 0) await this.#takeUp();
    const results: JobResult[] = [];
    for (const host of hosts) {
      results.push(
        await this.#address(host).catch(asError),
      );
    }
    return results;
  }

  async #make(): Promise<void> {
    const { mac } = await this.#mark();
    await this.#ip([
      ...["link", "add", "name", this.name, "address", mac, "type", "bridge"],
      // Nobody else's bridge is behind it: guests need not wait for a port.
      ...["stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"],
    ]);
    step("bridge:made");
    await this.#prepare();
  }

  async #takeUp(): Promise<void> {
    if (await this.whose() === "other") {
      throw unavailable(
        `interface "${this.name}" is there already, and was not made by this daemon`,
        "Start the daemon with another --bridge, such as vbr1",
      );
    }
    await this.#prepare();
    for (const address of await this.#addresses()) this.#carried.add(address);
  }

  async #prepare(): Promise<void> {
    const { alias } = await this.#mark();
    await this.#ip(["link", "set", "dev", this.name, "alias", alias]);
    // Such frames pass no rule: they must not teach it where a guest is.
    await this.#ip([
      ...["link", "set", "dev", this.name],
      ...["type", "bridge", "no_linklocal_learn", "1"],
    ]);
    await setBridgeSysctls(this.name);
    await this.#ip(["link", "set", "dev", this.name, "up"]);
    step("bridge:up");
  }

  async #address(host: Cidr): Promise<undefined> {
    const text = formatCidr(host);
    if (this.#carried.has(text)) return;
    await this.#checkFree(host);
    await this.#ip(["address", "replace", text, "dev", this.name]);
    this.#carried.add(text);
    step("bridge:addressed");
  }

  async #checkFree(subnet: Cidr): Promise<void> {
    const [addresses, routes] = await Promise.all([
      this.#ip(ADDRESSES),
      this.#ip(ROUTES),
    ]);
    const other = inTheWayOf(
      subnet,
      usedRanges(addresses, routes),
      this.name,
    );
    if (other === undefined) return;
    throw unavailable(
      `subnet ${formatCidr(subnetOf(subnet))} is in use: ${
        describeRange(other)
      }`,
      "Start the daemon with another --subnet",
    );
  }

  async #addresses(): Promise<string[]> {
    const text = await this.#ip([...ADDRESSES, "dev", this.name]);
    return usedRanges(text, "").map(({ cidr }) => formatCidr(cidr));
  }

  async #ip(args: readonly string[]): Promise<string> {
    const result = await this.#programs.ip(args);
    if (result.status === 0) return result.stdout;
    throw unavailable(
      `\`ip ${args.join(" ")}\` failed: ${lastWords(result)}`,
      "See what `volant doctor` says of bridges",
    );
  }

  async #mark(): Promise<{ readonly mac: string; readonly alias: string }> {
    return {
      mac: await macAddress(this.name, this.#stateDir),
      alias: `volant ${this.#stateDir.slice(-ALIAS_PATH_MAX)}`,
    };
  }
}

/** The subnet that has such an address in it. */
export function subnetOf({ address, prefix }: Cidr): Cidr {
  return { address: address - address % 2 ** (32 - prefix), prefix };
}

/** The host's address, with its prefix, of a lease. */
export function hostOf(
  { gateway, prefix }: { readonly gateway: string; readonly prefix: number },
): Cidr {
  const host = parseCidr(`${gateway}/${prefix}`);
  if (host === undefined) throw new Error(`no gateway: ${gateway}/${prefix}`);
  return host;
}

function noRight(): Error {
  return unavailable(
    "this daemon has no right to change the host's network (CAP_NET_ADMIN)",
    "Run the daemon as root, or use --network user",
  );
}
