/**
 * Checks of what is on the host already where a bridge with guests would go:
 * its name, its subnet, and the way through the host.
 *
 * All is read, nothing changed.
 *
 * @module
 */

import { execute } from "../lib/exec.ts";
import { parseCidr } from "../lib/ipv4.ts";
import { readTextIfThere } from "../lib/files.ts";
import type { BridgedHost } from "./check_bridged.ts";
import { type HostCheck, notKnown, outcome } from "./check.ts";
import {
  droppingChains,
  letsThrough,
  openingCommand,
} from "./forward_chains.ts";
import {
  ADDRESSES,
  describeRange,
  inTheWayOf,
  ROUTES,
  type UsedRange,
  usedRanges,
} from "./routes.ts";

export async function checkBridgeRoom(host: BridgedHost): Promise<HostCheck[]> {
  return await Promise.all([
    checkName(host),
    checkSubnet(host),
    checkForwarding(host),
    checkForwardChains(host),
  ]);
}

async function checkName(host: BridgedHost): Promise<HostCheck> {
  const { bridge, stateDir, ip, otherwise } = host;
  const check = {
    name: "bridge name",
    needed_for: "bridged networks: the daemon touches no interface but its own",
  };
  if (ip === undefined) return notKnown(check, otherwise, "ip", "iproute2");
  const json = await printed(ip, ["-j", "-d", "link", "show", "dev", bridge]);
  const whose = bridgeOwner(json ?? "", stateDir);
  const isFree = whose === "nobody's";
  if (isFree || whose === "ours") {
    const found = isFree
      ? `${bridge} is free`
      : `${bridge} is the bridge of ${stateDir}`;
    return outcome(true, otherwise, { ...check, found });
  }
  return outcome(false, otherwise, {
    ...check,
    found: `${bridge} is there already: ${whose}`,
    remedy: `volant daemon --bridge ${bridge === "vbr1" ? "vbr2" : "vbr1"}`,
  });
}

/** An alias has room for the end of a very long path only. */
const ALIAS_PATH_MAX = 240;

interface LinkJson {
  readonly ifname?: string;
  readonly ifalias?: string;
  readonly linkinfo?: { readonly info_kind?: string };
}

/**
 * Whose an interface is; a clause if it is somebody else's. Pure; reads what
 * `ip -j -d link show dev` printed, which is nothing for none.
 */
export function bridgeOwner(json: string, stateDir: string): string {
  if (json.trim() === "") return "nobody's";
  const link = (JSON.parse(json) as readonly LinkJson[]).at(0) ?? {};
  if (link.linkinfo?.info_kind !== "bridge") return "it is no bridge";
  const folder = /^volant (.+)$/.exec(link.ifalias ?? "")?.[1];
  if (folder === undefined) return "a bridge that no daemon of Volant made";
  return folder === stateDir.slice(-ALIAS_PATH_MAX)
    ? "ours"
    : `the bridge of ${folder}`;
}

async function checkSubnet(host: BridgedHost): Promise<HostCheck> {
  const { subnet, bridge, ip, otherwise } = host;
  const check = {
    name: "bridge subnet",
    needed_for: "bridged networks: the addresses of guests",
  };
  const cidr = parseCidr(subnet);
  if (cidr === undefined) {
    return outcome(false, otherwise, {
      ...check,
      found: `VOLANT_SUBNET is "${subnet}", which is no IPv4 subnet`,
      remedy: `export VOLANT_SUBNET=${SUBNETS[0]}`,
    });
  }
  if (ip === undefined) return notKnown(check, otherwise, "ip", "iproute2");
  const used = usedRanges(
    await printed(ip, ADDRESSES) ?? "",
    await printed(ip, ROUTES) ?? "",
  );
  const other = inTheWayOf(cidr, used, bridge);
  const free = freeSubnet(used, bridge);
  return outcome(other === undefined, otherwise, {
    ...check,
    found: other === undefined
      ? `${subnet} is free`
      : `${subnet} is in use: ${describeRange(other)}`,
    remedy: free === undefined
      ? "volant daemon --subnet, with one that no route of `ip route` overlaps"
      : `volant daemon --subnet ${free}`,
  });
}

/** To be offered in place of one that is in use. */
const SUBNETS = [
  "10.87.0.0/24",
  "172.29.87.0/24",
  "192.168.187.0/24",
  "100.87.0.0/24",
] as const;

/** The first that nothing on the host overlaps; pure. */
export function freeSubnet(
  used: readonly UsedRange[],
  bridge: string,
): string | undefined {
  return SUBNETS.find((text) => {
    const cidr = parseCidr(text);
    return cidr !== undefined && inTheWayOf(cidr, used, bridge) === undefined;
  });
}

const IP_FORWARD = "/proc/sys/net/ipv4/ip_forward";

async function checkForwarding(
  { otherwise, mayChange }: BridgedHost,
): Promise<HostCheck> {
  const isOn = (await readTextIfThere(IP_FORWARD))?.trim() === "1";
  const canSet = isOn || mayChange && await opensForWriting(IP_FORWARD);
  return outcome(canSet, otherwise, {
    name: "ip_forward",
    found: isOn
      ? "on"
      : canSet
      ? "off: the daemon switches it on with the first bridged guest"
      : `off, and ${IP_FORWARD} cannot be written`,
    needed_for: "bridged networks: the way of guests through this host",
    remedy: "sysctl -w net.ipv4.ip_forward=1",
  });
}

/** To open a switch of the kernel, and write nothing, changes nothing. */
async function opensForWriting(path: string): Promise<boolean> {
  try {
    (await Deno.open(path, { write: true })).close();
    return true;
  } catch {
    // Whatever the reason: the daemon would fare no better.
    return false;
  }
}

async function checkForwardChains(host: BridgedHost): Promise<HostCheck> {
  const { bridge, nft, otherwise, mayChange } = host;
  const check = {
    name: "forward firewall",
    needed_for: "bridged networks: what this host forwards for guests",
  };
  if (nft === undefined) return notKnown(check, otherwise, "nft", "nftables");
  const chains = await printed(nft, ["-j", "list", "chains"]);
  if (chains === undefined) {
    return outcome(false, otherwise, {
      ...check,
      found: "not known: `nft -j list chains` fails",
      remedy: mayChange
        ? "see what `nft -j list chains` says"
        : "sudo volant doctor",
    });
  }
  for (const chain of droppingChains(chains)) {
    const { family, table, name } = chain;
    const rules = ["-j", "list", "chain", family, table, name];
    if (letsThrough(await printed(nft, rules) ?? "", bridge)) continue;
    return outcome(false, otherwise, {
      ...check,
      found:
        `chain ${name} of table ${family} ${table} drops what its rules do not accept, and none accepts all of ${bridge}`,
      remedy: openingCommand(chain, bridge),
    });
  }
  return outcome(true, otherwise, {
    ...check,
    found: "no chain is in the way",
  });
}

/** What a program printed; undefined if it failed. */
async function printed(
  path: string,
  args: readonly string[],
): Promise<string | undefined> {
  const { status, stdout } = await execute(path, args, {
    fault: "network-unavailable",
  });
  return status === 0 ? stdout : undefined;
}
