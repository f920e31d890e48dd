/**
 * User networking: passt beside each VM, no privilege and no interface on the
 * host.
 *
 * Each VM is alone in a network of its own, with the same addresses in all of
 * them. It reaches out through the host's sockets; in come only published
 * ports. `--no-map-gw` keeps the guest from the host's loopback.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import type { PublishedPort } from "../../api/vms.ts";
import { checkHostPort } from "./host_port.ts";
import { refuseAddress } from "./lease_request.ts";
import { macAddress } from "./mac.ts";
import type { Network, NetworkLease } from "./network.ts";

const GUEST = "10.0.2.15";
const PREFIX = 24;
const GATEWAY = "10.0.2.2";
/** passt answers DNS queries to this address from the host's resolver. */
const DNS = "10.0.2.3";

export interface UserNetworkOptions {
  /** Finds passt; throws `hypervisor-unavailable`. */
  readonly findPasst: () => Promise<{ readonly path: string }>;
}

export function userNetwork({ findPasst }: UserNetworkOptions): Network {
  return {
    mode: "user",

    async lease(request) {
      const { vmName, publish } = request;
      refuseAddress(request, "user");
      const mac = await macAddress(vmName, GUEST);
      return { mode: "user", ip: GUEST, mac, publish };
    },

    release() {},

    async attach({ lease }) {
      const { path } = await findPasst();
      for (const port of lease.publish) checkFree(port);
      return {
        nic: {
          kind: "stream",
          mac: lease.mac,
          companion: (fd) => passtCommand(path, fd, lease),
        },
        guest: { ip: `${GUEST}/${PREFIX}`, gateway: GATEWAY, dns: [DNS] },
      };
    },

    // passt belongs to the machine's monitor and ends with it.
    detach: () => Promise.resolve(),

    reconcile: () => Promise.resolve(),

    reach({ publish }, port) {
      const found = publish.find((each) =>
        each.port === port && each.protocol === "tcp"
      );
      if (found === undefined) return undefined;
      const anyAddress = found.host_ip === "0.0.0.0";
      return {
        host: anyAddress ? "127.0.0.1" : found.host_ip,
        port: found.host_port,
      };
    },
  };
}

/** Pure; exported for its test. */
export function passtCommand(
  path: string,
  descriptor: number,
  { publish }: NetworkLease,
): string[] {
  return [
    path,
    "--foreground",
    "--stderr",
    "--quiet",
    "--ipv4-only",
    "--no-map-gw",
    "--no-dhcp",
    "--fd",
    String(descriptor),
    "--address",
    GUEST,
    "--netmask",
    String(PREFIX),
    "--gateway",
    GATEWAY,
    "--dns-forward",
    DNS,
    ...ports("--tcp-ports", publish.filter((p) => p.protocol === "tcp")),
    ...ports("--udp-ports", publish.filter((p) => p.protocol === "udp")),
  ];
}

function ports(
  option: string,
  published: readonly Required<PublishedPort>[],
): string[] {
  if (published.length === 0) return [option, "none"];
  return published.flatMap(({ host_ip, host_port, port }) => [
    option,
    `${host_ip}/${host_port}:${port}`,
  ]);
}

/** Says now and in words what passt would say later in its log. */
function checkFree(port: Required<PublishedPort>): void {
  const { host_ip, host_port } = port;
  // passt never runs as root, whoever asks here.
  const first = Number(
    Deno.readTextFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start"),
  );
  if (host_port < first) {
    throw new Fault(
      "not-supported",
      `Cannot publish on ${host_ip}:${host_port}: ports below ${first} are root's`,
      {
        hint:
          "Use a higher one, or lower sysctl net.ipv4.ip_unprivileged_port_start",
      },
    );
  }
  checkHostPort(port);
}
