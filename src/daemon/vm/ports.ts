/**
 * Which host ports a VM gets: checked against its own wishes and against what
 * other VMs hold, running or not, before anything is made.
 *
 * @module
 */

import type { PublishedPort } from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import type { Publisher } from "../store/vms.ts";

type Port = Required<PublishedPort>;

/** Free ports are looked for so often before it is given up. */
const TRIES = 64;

/**
 * The ports as they will be published; 0 becomes a free one. Throws
 * `invalid-input`, `port-in-use`, `not-supported`.
 */
export function choosePorts(
  vmName: string,
  wanted: readonly PublishedPort[],
  others: readonly Publisher[],
): Port[] {
  const chosen: Port[] = [];
  for (const each of wanted) {
    const port = whole(each);
    const holder = others.find((vm) =>
      vm.lease.publish.some((held) => clash(held, port))
    );
    if (holder !== undefined && port.host_port !== 0) {
      throw new Fault(
        "port-in-use",
        `Cannot create VM "${vmName}": VM "${holder.name}" holds ${text(port)}`,
        { hint: "Publish on another host port, or delete that VM" },
      );
    }
    if (chosen.some((held) => clash(held, port))) {
      throw new Fault(
        "invalid-input",
        `Cannot create VM "${vmName}": ${text(port)} is published twice`,
        { hint: "Name each host port once" },
      );
    }
    chosen.push(
      port.host_port === 0
        ? freePort(vmName, port, [
          ...chosen,
          ...others.flatMap((vm) => vm.lease.publish),
        ])
        : port,
    );
  }
  return chosen;
}

function whole(
  { host_ip = "127.0.0.1", host_port, port, protocol = "tcp" }: PublishedPort,
): Port {
  if (host_ip.includes(":")) {
    throw new Fault(
      "not-supported",
      `Cannot publish port ${port} on ${host_ip}: ports are published on IPv4 addresses only`,
      { hint: "Write an IPv4 address in network.expose, or none" },
    );
  }
  return { host_ip, host_port, port, protocol };
}

function text({ host_ip, host_port, protocol }: Port): string {
  return `${host_ip}:${host_port}/${protocol}`;
}

function clash(a: Port, b: Port): boolean {
  const sameAddress = a.host_ip === b.host_ip || a.host_ip === "0.0.0.0" ||
    b.host_ip === "0.0.0.0";
  return sameAddress && a.protocol === b.protocol && b.host_port !== 0 &&
    a.host_port === b.host_port;
}

/** A port that is free now; the start says so if it is not any more. */
function freePort(vmName: string, port: Port, taken: readonly Port[]): Port {
  if (port.protocol === "udp") {
    throw new Fault(
      "not-supported",
      `Cannot create VM "${vmName}": no free UDP port can be chosen`,
      { hint: `Name the host port, such as ${port.port}:${port.port}/udp` },
    );
  }
  try {
    for (let tries = 0; tries < TRIES; tries++) {
      using listener = Deno.listen({ hostname: port.host_ip, port: 0 });
      const found = { ...port, host_port: listener.addr.port };
      if (!taken.some((held) => clash(held, found))) return found;
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(
      "invalid-input",
      `Cannot publish on ${port.host_ip}: ${why}`,
      { cause, hint: "Give an address of this host" },
    );
  }
  throw new Fault(
    "port-in-use",
    `Cannot create VM "${vmName}": no free port was found on ${port.host_ip}`,
    { hint: "Name the host port" },
  );
}
