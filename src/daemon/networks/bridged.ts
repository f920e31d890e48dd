/**
 * Bridged networking: guests with addresses of their own behind a bridge of the
 * host, which translates addresses for them. See docs/network.md.
 *
 * This file says what a VM needs in which order; the bridge, the TAP devices and
 * the firewall each know how theirs is made. All of it can be done again at any
 * time, and is, after a crash of the daemon.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { type Cidr, formatIpv4 } from "../../lib/ipv4.ts";
import { step } from "../../lib/step.ts";
import { mayChangeNetwork } from "../../host/capabilities.ts";
import { AddressPool } from "./addresses.ts";
import { Bridge, hostOf } from "./bridge.ts";
import { hostNameServers } from "./dns.ts";
import { Firewall } from "./firewall.ts";
import type { Guest } from "./firewall_rules.ts";
import { checkHostPort } from "./host_port.ts";
import { macAddress } from "./mac.ts";
import type {
  Attachment,
  LeaseHolder,
  LeaseRequest,
  Network,
  NetworkLease,
} from "./network.ts";
import { type NetworkPrograms, unavailable } from "./programs.ts";
import { gatewayOf, type Subnet } from "./subnet.ts";
import { tapName, Taps } from "./taps.ts";

export interface BridgedNetworkOptions {
  readonly subnet: Subnet;
  /** Name of the bridge. */
  readonly bridge: string;
  /** Whose the bridge is. */
  readonly stateDir: string;
  readonly programs: NetworkPrograms;
}

export class BridgedNetwork implements Network {
  readonly mode = "bridged";
  readonly #subnet: Subnet;
  readonly #bridge: Bridge;
  readonly #taps: Taps;
  readonly #firewall: Firewall;
  readonly #pool: AddressPool;

  constructor({ subnet, bridge, stateDir, programs }: BridgedNetworkOptions) {
    this.#subnet = subnet;
    this.#bridge = new Bridge(bridge, stateDir, programs);
    this.#taps = new Taps(programs, bridge);
    this.#pool = new AddressPool(subnet);
    this.#firewall = new Firewall(programs, bridge);
  }

  async lease(
    { vmName, publish, ip: wanted, isolated = true }: LeaseRequest,
    taken: readonly string[],
  ): Promise<NetworkLease> {
    const gateway = formatIpv4(gatewayOf(this.#subnet));
    if (taken.includes(gateway)) throw gatewayHeld(gateway);
    const ip = this.#pool.reserve(vmName, {
      taken: [...taken, ...this.#bridge.hostAddresses()],
      wanted,
    });
    try {
      await this.#bridge.carry(this.#host());
      const mac = await macAddress(vmName, ip);
      const { prefix } = this.#subnet;
      const subnet = { gateway, prefix };
      return { mode: "bridged", ip, mac, publish, subnet, isolated };
    } catch (error) {
      this.#pool.letGo(ip);
      throw error;
    }
  }

  release({ ip }: NetworkLease): void {
    this.#pool.letGo(ip);
  }

  async attach(holder: LeaseHolder): Promise<Attachment> {
    const { lease } = holder;
    const guest = this.#guest(holder);
    for (const port of lease.publish) checkHostPort(port);
    const host = this.#hostOf(lease);
    const gateway = formatIpv4(host.address);
    if (this.#firewall.hasGuestAt(gateway)) throw gatewayHeld(gateway);
    await this.#bridge.carry(host);
    try {
      await this.#taps.add(guest.tap, !guest.isOpen);
      step("attach:tap-made");
      await this.#firewall.add(guest);
      step("attach:rules-added");
    } catch (error) {
      await this.detach(holder);
      throw error;
    }
    return {
      nic: { kind: "tap", mac: lease.mac, tapName: guest.tap },
      guest: {
        ip: `${lease.ip}/${host.prefix}`,
        gateway,
        dns: await hostNameServers(),
      },
    };
  }

  async detach(holder: LeaseHolder): Promise<void> {
    if (!await mayChangeNetwork()) return;
    if (await this.#bridge.whose() === "other") return;
    const guest = this.#guest(holder);
    // Ports first: what comes for a guest that is gone must not be taken in.
    await this.#firewall.remove(guest);
    step("detach:rules-removed");
    await this.#taps.remove(guest.tap);
    step("detach:tap-removed");
  }

  async reconcile(running: readonly LeaseHolder[]): Promise<void> {
    if (!await mayChangeNetwork()) {
      if (running.length === 0) return;
      throw unavailable(
        `${running.length} VMs run on it, and this daemon has no right to change the host's network (CAP_NET_ADMIN)`,
        "Run the daemon as root",
      );
    }
    const whose = await this.#bridge.whose();
    if (whose === "other") return;
    const guests = running.map((holder) => this.#guest(holder));
    const owned = new Set(guests.map(({ tap }) => tap));
    const strangers = (await this.#taps.list()).filter((tap) =>
      !owned.has(tap)
    );
    await Promise.all(strangers.map((tap) => this.#taps.remove(tap)));
    if (whose === "nobody's" && guests.length === 0) return;

    // Rules before anything can send: they need no bridge to be there.
    await this.#firewall.lay(guests);
    const hosts = running.map(({ lease }) => this.#hostOf(lease));
    for (const host of hosts) await this.#bridge.carry(host);
    await this.#bridge.keepOnly([this.#host(), ...hosts]);
    // A device that its machine holds open is only looked at, or put right.
    await Promise.allSettled(
      guests.map(({ tap, isOpen }) => this.#taps.add(tap, !isOpen)),
    );
  }

  reach(
    { ip }: NetworkLease,
    port: number,
  ): { readonly host: string; readonly port: number } {
    return { host: ip, port };
  }

  #guest({ id, lease }: LeaseHolder): Guest {
    return {
      tap: tapName(this.#bridge.name, id),
      mac: lease.mac,
      ip: lease.ip,
      isOpen: lease.isolated === false,
      publish: lease.publish,
    };
  }

  /** The host's address in the configured subnet. */
  #host(): Cidr {
    const { prefix } = this.#subnet;
    return { address: gatewayOf(this.#subnet), prefix };
  }

  #hostOf({ subnet }: NetworkLease): Cidr {
    return subnet === undefined ? this.#host() : hostOf(subnet);
  }
}

/** The subnet was changed to one that lies across the earlier one. */
function gatewayHeld(gateway: string): Fault {
  return unavailable(
    `the host's address ${gateway} is held by a VM of another subnet`,
    "Stop or delete that VM, or start the daemon with another --subnet",
  );
}
