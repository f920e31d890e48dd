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
import { logger } from "../../lib/log.ts";
import { step } from "../../lib/step.ts";
import { mayChangeNetwork } from "../../host/capabilities.ts";
import { AddressPool } from "./addresses.ts";
import { asError } from "./batches.ts";
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
import { setRouteLocalnet } from "./sysctls.ts";
import { tapName, Taps } from "./taps.ts";
import { Watch } from "./watch.ts";

/** How long guests may be without rules after somebody flushed the ruleset. */
const LOOK_EVERY_MS = 2000;

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
  readonly #log = logger("network");
  readonly #watch = new Watch(LOOK_EVERY_MS, () => this.#look(), (error) => {
    this.#log.error("Cannot lay the rules of guests down again: {error}", {
      error,
    });
  });

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
      this.#guestsChanged();
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
    this.#guestsChanged();
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
    const guests = running.map((holder) => this.#guest(holder));
    // Whatever fails below: the tables are laid for these, by the watch at last.
    this.#firewall.expect(guests);
    if (guests.length > 0) this.#watch.start();
    const whose = await this.#bridge.whose();
    if (whose === "other") return this.#leaveToOther(guests.length);
    const owned = new Set(guests.map(({ tap }) => tap));
    const strangers = (await this.#taps.list()).filter((tap) =>
      !owned.has(tap)
    );
    const isNeeded = whose === "ours" || guests.length > 0;
    // Rules before anything can send: they need no bridge to be there.
    if (isNeeded) await this.#firewall.lay(guests);
    const results = await Promise.allSettled(
      strangers.map((tap) => this.#taps.remove(tap)),
    );
    if (isNeeded) results.push(...await this.#putRight(running, guests));
    const faults = results.flatMap((each) =>
      each.status === "rejected" ? [asError(each.reason)] : []
    );
    if (faults.length > 0) throw notInOrder(faults);
  }

  async #putRight(
    running: readonly LeaseHolder[],
    guests: readonly Guest[],
  ): Promise<PromiseSettledResult<void>[]> {
    const hosts = running.map(({ lease }) => this.#hostOf(lease));
    const carried = await Promise.allSettled(
      hosts.map((host) => this.#bridge.carry(host)),
    );
    const kept = await Promise.allSettled([
      this.#bridge.keepOnly([this.#host(), ...hosts]),
    ]);
    // A device that its machine holds open is only looked at, or put right.
    const taps = await Promise.allSettled(
      guests.map(({ tap, isOpen }) => this.#taps.add(tap, !isOpen)),
    );
    this.#guestsChanged();
    return [...carried, ...kept, ...taps];
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

  /** What holds for all guests together, and not at all without one. */
  #guestsChanged(): void {
    const guests = this.#firewall.guests();
    if (guests.length > 0) this.#watch.start();
    else this.#watch.stop();
    const bridge = this.#bridge.name;
    const isOn = guests.some(({ publish }) => publish.some(isOnLoopback));
    try {
      setRouteLocalnet(bridge, isOn);
    } catch (error) {
      // A guest that goes must not be held up by it.
      if (isOn) throw error;
      this.#log.warn("Cannot close bridge {bridge} to the loopback: {error}", {
        bridge,
        error,
      });
    }
  }

  async #look(): Promise<void> {
    await this.#firewall.look(() =>
      this.#log.warn(
        "The rules of bridge {bridge} are gone, and are laid down again: somebody flushed the ruleset",
        { bridge: this.#bridge.name },
      )
    );
  }

  #leaveToOther(guestCount: number): void {
    this.#watch.stop();
    if (guestCount === 0) return;
    this.#log.error(
      "Cannot look after {guestCount} VMs: bridge {bridge} is not this daemon's any more",
      { guestCount, bridge: this.#bridge.name },
    );
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

/** Whether a program of the host finds the port on the host's loopback. */
function isOnLoopback({ host_ip }: { readonly host_ip: string }): boolean {
  return host_ip === "0.0.0.0" || host_ip.startsWith("127.");
}

function notInOrder(faults: readonly Error[]): Fault {
  const what = new Set(faults.map(({ message }) => message));
  return unavailable(
    `not all of it could be put in order: ${[...what].join("; ")}`,
    "See docs/network.md, and what `volant doctor` says",
    new AggregateError(faults),
  );
}

/** The subnet was changed to one that lies across the earlier one. */
function gatewayHeld(gateway: string): Fault {
  return unavailable(
    `the host's address ${gateway} is held by a VM of another subnet`,
    "Stop or delete that VM, or start the daemon with another --subnet",
  );
}
