/**
 * Checks of what the kernel offers to bridged networking.
 *
 * Which modules are there says little about a kernel that has them built in, or
 * loads them when they are asked for. So the things are made, in a network
 * namespace that is thrown away.
 *
 * @module
 */

import type { BridgedHost } from "./check_bridged.ts";
import { type HostCheck, notKnown, outcome } from "./check.ts";
import { inThrowawayNetwork, type Trial } from "./throwaway_network.ts";

const TUN = "/dev/net/tun";

export async function checkBridgeKernel(
  host: BridgedHost,
): Promise<HostCheck[]> {
  const whyNoTun = await whyNotOpen(TUN);
  const [links, ...tables] = await Promise.all([
    checkLinks(host, whyNoTun === undefined),
    ...TABLES.map((table) => checkTable(host, table)),
  ]);
  const tun = outcome(whyNoTun === undefined, host.otherwise, {
    name: TUN,
    found: whyNoTun ?? "it opens",
    needed_for: "the TAP devices of bridged networks",
    remedy: whyNoTun === "not there"
      ? "modprobe tun; a container takes --device /dev/net/tun"
      : `chmod 666 ${TUN}; a container takes --device ${TUN}`,
  });
  return [tun, links, ...tables];
}

/** To open it makes no interface: that takes a name for one (TUNSETIFF). */
async function whyNotOpen(path: string): Promise<string | undefined> {
  try {
    (await Deno.open(path, { read: true, write: true })).close();
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "not there";
    return `it cannot be opened: ${
      error instanceof Error ? error.message : String(error)
    }`;
  }
}

/** As the daemon makes them, one command a line. */
const BRIDGE_LINES = [
  "link add name volant0 type bridge mcast_snooping 0",
] as const;
const TAP_LINES = [
  "tuntap add dev volant1 mode tap vnet_hdr",
  "link set dev volant1 master volant0",
  "link set dev volant1 type bridge_slave isolated on",
] as const;

async function checkLinks(
  { ip, otherwise }: BridgedHost,
  isTunThere: boolean,
): Promise<HostCheck> {
  const lines = [...BRIDGE_LINES, ...(isTunThere ? TAP_LINES : [])];
  const check = {
    name: "bridges",
    needed_for: "bridged networks: a bridge, and TAP devices on it",
  };
  if (ip === undefined) return notKnown(check, otherwise, "ip", "iproute2");
  const trial = await inThrowawayNetwork(
    ip,
    ["-batch", "-"],
    `${lines.join("\n")}\n`,
  );
  return judge(trial, otherwise, {
    ...check,
    found: isTunThere
      ? "a bridge with a TAP device can be made"
      : "a bridge can be made",
    failure: () => linkFailure(lines, trial.stderr),
    remedy:
      "modprobe -a bridge tun; else boot a kernel with CONFIG_BRIDGE and CONFIG_TUN",
  });
}

/** Which command it was, and what `ip -batch` said of it; pure. */
export function linkFailure(lines: readonly string[], stderr: string): string {
  const number = /^Command failed -:(\d+)$/m.exec(stderr)?.[1];
  const line = lines[Number(number) - 1];
  const words = stderr.split("\n")
    .filter((each) => each !== "" && !each.startsWith("Command failed"))
    .join("; ");
  return line === undefined ? words : `\`ip ${line}\` failed: ${words}`;
}

interface Table {
  readonly name: string;
  readonly needed_for: string;
  readonly modules: string;
  readonly configs: string;
  /** One of each thing that the daemon's own rules use. */
  readonly script: string;
}

const TABLES: readonly Table[] = [
  {
    name: "nftables nat",
    needed_for: "the way out of bridged guests, and their published ports",
    modules: "nf_tables nft_ct nft_chain_nat nft_nat nft_masq nft_fib_inet",
    configs: "CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT, CONFIG_NFT_MASQ, " +
      "CONFIG_NFT_CT and CONFIG_NFT_FIB_INET",
    script: `table inet volant {
  set guests { type ipv4_addr; }
  map ports { type ipv4_addr . inet_service : ipv4_addr . inet_service; }
  chain published {
    dnat ip to ip daddr . tcp dport map @ports
  }
  chain coming {
    type nat hook prerouting priority -100; policy accept;
    fib daddr type local jump published
  }
  chain leaving {
    type nat hook postrouting priority 100; policy accept;
    ip saddr @guests masquerade
  }
  chain through {
    type filter hook forward priority 0; policy accept;
    ct state established accept
    ct status dnat accept
  }
}
`,
  },
  {
    name: "nftables bridge",
    needed_for: "keeping bridged guests to their own addresses",
    modules: "nf_tables bridge nft_meta_bridge",
    configs: "CONFIG_NF_TABLES_BRIDGE",
    script: `table bridge volant {
  set guests { type ifname . ether_addr . ipv4_addr; }
  chain coming {
    type filter hook prerouting priority -300; policy accept;
    @ll,96,16 != { 0x0800, 0x0806 } drop
    iifname . ether saddr . ip saddr @guests accept
  }
  chain between {
    type filter hook forward priority -200; policy accept;
    oifname "volant0-*" drop
  }
}
`,
  },
];

async function checkTable(
  { nft, otherwise }: BridgedHost,
  { name, needed_for, modules, configs, script }: Table,
): Promise<HostCheck> {
  const check = { name, needed_for };
  if (nft === undefined) return notKnown(check, otherwise, "nft", "nftables");
  const trial = await inThrowawayNetwork(nft, ["-f", "-"], script);
  return judge(trial, otherwise, {
    ...check,
    found: "its rules can be made",
    failure: () =>
      `nft refused its rules: ${trial.stderr.trim().split("\n").at(0)}`,
    remedy: `modprobe -a ${modules}; else boot a kernel with ${configs}`,
  });
}

interface Judged {
  readonly name: string;
  readonly needed_for: string;
  readonly found: string;
  readonly remedy: string;
  failure(): string;
}

function judge(
  { refused, status }: Trial,
  otherwise: BridgedHost["otherwise"],
  { failure, ...check }: Judged,
): HostCheck {
  if (refused !== undefined) {
    return outcome(false, otherwise, {
      ...check,
      found: `not tried, for want of a network namespace: ${refused}`,
      remedy: refused.startsWith("unshare:")
        ? "run `volant doctor` as root"
        : "apt-get install util-linux",
    });
  }
  if (status === 0) return outcome(true, otherwise, check);
  return outcome(false, otherwise, { ...check, found: failure() });
}
