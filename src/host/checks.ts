/**
 * Everything about this host that decides how, and whether, guests run.
 *
 * `volant doctor` prints it. Nothing is changed but that the files the
 * executable carries are unpacked, as the daemon would, since a kernel is
 * needed to ask KVM.
 *
 * @module
 */

import { type Assets, unpackAssets } from "../lib/assets.ts";
import { Fault } from "../lib/fault.ts";
import type { HostCheck } from "./check.ts";
import { checkBridged } from "./check_bridged.ts";
import { checkDatabase } from "./check_database.ts";
import { checkKernel } from "./check_kernel.ts";
import {
  checkDiskSpace,
  checkOtherPrograms,
  checkPasst,
  checkQemu,
} from "./check_programs.ts";
import { type KvmProbe, probeKvm } from "./kvm.ts";
import { DEFAULT_BRIDGE, DEFAULT_SUBNET } from "./network_defaults.ts";
import { findQemu } from "./qemu.ts";

export interface HostChecksOptions {
  readonly stateDir: string;
  /** Where the daemon remembers whether KVM works. */
  readonly kvmCachePath?: string | undefined;
  /** Of the bridged network, if not the default. */
  readonly subnet?: string | undefined;
  readonly bridge?: string | undefined;
}

export async function hostChecks(
  options: HostChecksOptions,
): Promise<HostCheck[]> {
  const {
    stateDir,
    subnet = DEFAULT_SUBNET,
    bridge = DEFAULT_BRIDGE,
  } = options;
  const assets = await unpackAssets(stateDir).catch(faultOnly);
  const [kvm, qemu, passt, programs, disk, kernel, bridged, database] =
    await Promise.all([
      checkKvm(assets, options.kvmCachePath),
      checkQemu(),
      checkPasst(),
      checkOtherPrograms(),
      checkDiskSpace(stateDir),
      checkKernel(),
      checkBridged({ subnet, bridge, stateDir }),
      checkDatabase(stateDir),
    ]);
  return [
    ...[checkAssets(assets), qemu, kvm, passt, disk],
    ...[...database, ...kernel, ...programs, ...bridged],
  ];
}

/** Whether a guest can be run, if not with all that others offer. */
export function canRunGuests(checks: readonly HostCheck[]): boolean {
  return checks.every(({ status }) => status !== "missing");
}

function checkAssets(assets: Assets | Fault): HostCheck {
  const name = "kernels and monitor";
  const needed_for = "running guests: without them none runs";
  if (!(assets instanceof Fault)) {
    const found = assets.vmlinuxGeneric.replace(/\/[^/]*$/, "");
    return { name, status: "ok", found, needed_for };
  }
  return {
    name,
    status: "missing",
    found: assets.message,
    needed_for,
    ...(assets.hint === undefined ? {} : { remedy: assets.hint }),
  };
}

async function checkKvm(
  assets: Assets | Fault,
  cachePath: string | undefined,
): Promise<HostCheck> {
  const check = {
    name: "kvm",
    needed_for: "speed: without it guests are emulated, 10 to 50 times slower",
  };
  const qemu = await findQemu().catch(faultOnly);
  if (qemu instanceof Fault || assets instanceof Fault) {
    return {
      ...check,
      status: "warn",
      found: "not asked: that takes QEMU and a kernel",
    };
  }
  const probe = await probeKvm({
    qemuPath: qemu.path,
    kernelPath: assets.vmlinuxGeneric,
    cachePath,
  }).catch(faultOnly);
  if (probe instanceof Fault) {
    return { ...check, status: "warn", found: probe.message };
  }
  if (probe.works) return { ...check, status: "ok", found: probe.reason };
  return { ...check, status: "warn", found: probe.reason, remedy: mend(probe) };
}

function mend({ reason }: KvmProbe): string {
  const group = /group "([^"]+)"/.exec(reason)?.[1];
  if (group !== undefined) {
    return `usermod -aG ${group} $USER, then log in again`;
  }
  return reason.endsWith("does not exist")
    ? "modprobe kvm_intel || modprobe kvm_amd; switch virtualization on in the firmware, or nested virtualization in the cloud"
    : "ask the provider of this host for nested virtualization, or use another host";
}

function faultOnly(error: unknown): Fault {
  if (error instanceof Fault) return error;
  throw error;
}
