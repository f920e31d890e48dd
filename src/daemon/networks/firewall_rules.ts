/**
 * What nftables is told of guests on a bridge, as text.
 *
 * Three tables, named after the bridge. The rules are the same for all guests and
 * never change; what is true of one guest is elements of their sets and maps,
 * put in at its start and taken out at its end (nft(8), "SETS", "MAPS").
 *
 * @module
 */

import type { PublishedPort } from "../../api/vms.ts";

/** What the rules have to know of a guest. */
export interface Guest {
  readonly tap: string;
  readonly mac: string;
  readonly ip: string;
  /** Whether others that are open, too, may reach it, and it them. */
  readonly isOpen: boolean;
  readonly publish: readonly Required<PublishedPort>[];
}

/** The tables of a bridge, whole and with these guests, in place of any there. */
export function wholeScript(
  bridge: string,
  guests: readonly Guest[],
): string {
  return [
    removeScript(bridge),
    inetTable(bridge),
    bridgeTable(bridge),
    arpTable(bridge),
    ...guests.map((guest) => addScript(bridge, guest)),
  ].join("");
}

/**
 * Each prints a chain that leads into the rules, and fails when there is none.
 * They are two scripts because nft 1.0.6 fails when one lists two families.
 */
export function listScripts(bridge: string): readonly string[] {
  const table = tableName(bridge);
  return [
    `list chain inet ${table} to_host\n`,
    `list chain bridge ${table} from_guest\n`,
  ];
}

/** Whether the chain that was printed has its rules. */
export function hasRules(listed: string): boolean {
  return /\b(drop|jump)\b/.test(listed);
}

/** Takes the tables away, if they are there. */
function removeScript(bridge: string): string {
  // Only a table that is there can be deleted: it is made sure of before.
  return FAMILIES.map((family) => {
    const table = `table ${family} ${tableName(bridge)}`;
    return `${table}\ndelete ${table}\n`;
  }).join("");
}

export function addScript(bridge: string, guest: Guest): string {
  return elements(guest).map(([family, set, element]) =>
    `add element ${family} ${tableName(bridge)} ${set} { ${element} }\n`
  ).join("");
}

/** For a guest whose elements may or may not be there. */
export function deleteScript(bridge: string, guest: Guest): string {
  // To add one that is there is no error; to delete one that is not, is.
  return addScript(bridge, guest) +
    elements(guest).map(([family, set, element]) =>
      `delete element ${family} ${tableName(bridge)} ${set} { ${element} }\n`
    ).join("");
}

const FAMILIES = ["inet", "bridge", "arp"] as const;

function tableName(bridge: string): string {
  return `volant_${bridge}`;
}

/** Family, set or map, and element: all that is in the tables of one guest. */
function elements(
  { tap, mac, ip, isOpen, publish }: Guest,
): readonly (readonly [string, string, string])[] {
  return [
    ["inet", "guests", ip],
    ["bridge", "guests", `"${tap}" . ${mac} . ${ip}`],
    ...(isOpen
      ? [["inet", "open", ip], ["bridge", "open", `"${tap}"`]] as const
      : []),
    ...[...publishedPorts(publish)].map((port) =>
      ["inet", "published", `${ip} . ${port}`] as const
    ),
    ...publish.map(({ host_ip, host_port, port, protocol }) => {
      const to = `${ip} . ${port}`;
      return host_ip === "0.0.0.0"
        ? ["inet", `${protocol}_any`, `${host_port} : ${to}`] as const
        : [
          "inet",
          `${protocol}_at`,
          `${host_ip} . ${host_port} : ${to}`,
        ] as const;
    }),
  ];
}

/** Each once, though several ports of the host may lead to it. */
function publishedPorts(publish: Guest["publish"]): ReadonlySet<string> {
  return new Set(publish.map(({ port, protocol }) => `${protocol} . ${port}`));
}

/**
 * Between guests, the host and everybody else.
 *
 * `iifname "BRIDGE"` is whatever comes from guests. Host ports are translated
 * before routing, for the host itself in `output`; what comes from guests is
 * not translated, so that none gets at another by a published port. A host port
 * on 127.0.0.1 must not be open to the neighbours who send packets with that
 * destination, which the kernel would refuse only after the translation.
 *
 * A frame to an address of 01:80:c2:00:00:0X is not the bridge's business (IEEE
 * 802.1D): the host takes it in as received on the port itself, past the rules
 * of the bridge. Nothing that comes so is wanted: `past_bridge`.
 *
 * The kernel goes on translating a flow it has translated before, also when the
 * guest is gone and another has its address: what comes from outside is let
 * through only to a port that is published now.
 */
function inetTable(bridge: string): string {
  const at = "type ipv4_addr . inet_service : ipv4_addr . inet_service";
  const any = "type inet_service : ipv4_addr . inet_service";
  return `table inet ${tableName(bridge)} {
  set guests { type ipv4_addr; }
  set open { type ipv4_addr; }
  set published { type ipv4_addr . inet_proto . inet_service; }
  map tcp_at { ${at}; }
  map tcp_any { ${any}; }
  map udp_at { ${at}; }
  map udp_any { ${any}; }
  chain loopback_only {
    type filter hook prerouting priority -300; policy accept;
    iifname != "lo" ip daddr 127.0.0.0/8 drop
  }
  chain past_bridge {
    type filter hook prerouting priority -300; policy accept;
    iifname "${bridge}-*" drop
  }
  chain translate {
    dnat ip to ip daddr . tcp dport map @tcp_at
    dnat ip to tcp dport map @tcp_any
    dnat ip to ip daddr . udp dport map @udp_at
    dnat ip to udp dport map @udp_any
  }
  chain from_outside {
    type nat hook prerouting priority -100; policy accept;
    iifname != "${bridge}" fib daddr type local jump translate
  }
  chain from_host {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump translate
  }
  chain leaving {
    type nat hook postrouting priority 100; policy accept;
    ip saddr @guests oifname != { "${bridge}", "lo" } masquerade
    ip saddr 127.0.0.0/8 oifname "${bridge}" masquerade
  }
  chain to_host {
    type filter hook input priority 0; policy accept;
    iifname != "${bridge}" accept
    ct state established,related accept
    icmp type echo-request accept
    drop
  }
  chain through {
    type filter hook forward priority 0; policy accept;
    iifname "${bridge}" oifname "${bridge}" ip saddr @open ip daddr @open accept
    iifname "${bridge}" oifname "${bridge}" drop
    iifname "${bridge}" ip saddr @guests accept
    iifname "${bridge}" drop
    oifname "${bridge}" ct direction reply ct state established accept
    oifname "${bridge}" ct state related accept
    oifname "${bridge}" ct status dnat ip daddr . meta l4proto . th dport @published accept
    oifname "${bridge}" drop
  }
}
`;
}

/**
 * Between the ports of the bridge.
 *
 * The type of a frame is compared where it stands in the frame (bit 96 of it),
 * because `ether type` looks behind a VLAN tag. Nothing but IPv4 and ARP passes,
 * and of these only what names the guest's own addresses as the sender's.
 */
function bridgeTable(bridge: string): string {
  const arp = "arp htype 1 arp ptype ip arp hlen 6 arp plen 4";
  return `table bridge ${tableName(bridge)} {
  set guests { type ifname . ether_addr . ipv4_addr; }
  set open { type ifname; }
  chain from_guest {
    type filter hook prerouting priority -300; policy accept;
    iifname "${bridge}-*" jump own_address
  }
  chain own_address {
    @ll,96,16 != { 0x0800, 0x0806 } drop
    iifname . ether saddr . ip saddr @guests accept
    ${arp} iifname . ether saddr . arp saddr ip @guests iifname . arp saddr ether . arp saddr ip @guests accept
    drop
  }
  chain between_guests {
    type filter hook forward priority -200; policy accept;
    iifname "${bridge}-*" iifname @open oifname @open accept
    iifname "${bridge}-*" drop
    oifname "${bridge}-*" drop
  }
}
`;
}

/** ARP past the bridge: no address of the host is asked for on a port. */
function arpTable(bridge: string): string {
  return `table arp ${tableName(bridge)} {
  chain past_bridge {
    type filter hook input priority -300; policy accept;
    iifname "${bridge}-*" drop
  }
}
`;
}
