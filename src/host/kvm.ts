/**
 * Finds out whether KVM boots a guest on this host, by booting one.
 *
 * The presence of /dev/kvm proves little: inside some clouds the device opens
 * and yet no stock guest comes up. So our own kernel is started with no
 * initramfs; it says its version, panics for want of an init and, as QEMU must
 * not reboot, is gone in well under a second.
 *
 * The outcome is remembered per boot of the host, kernel, and QEMU. A guest
 * that did not come up is tried again after a while, as the host may only have
 * been busy.
 *
 * @module
 */

import { execute } from "../lib/exec.ts";
import { readTextIfThere, writeFileAtomic } from "../lib/files.ts";

/**
 * A guest is up in a tenth of a second, or in seconds where KVM is nested or the
 * host is busy. Who takes such a host for one without KVM makes it slow for good.
 */
const PROBE_TIMEOUT_MS = 20_000;
const FAILURE_KEPT_MS = 60 * 60 * 1_000;

export interface KvmProbe {
  readonly works: boolean;
  /** One clause, such as `/dev/kvm does not exist`. */
  readonly reason: string;
}

export interface KvmProbeOptions {
  readonly qemuPath: string;
  /** An uncompressed kernel with a PVH entry. */
  readonly kernelPath: string;
  /** Where the outcome is remembered; not at all when absent. */
  readonly cachePath?: string | undefined;
  readonly devicePath?: string;
}

interface Remembered extends KvmProbe {
  readonly key: string;
  readonly at_ms: number;
}

export async function probeKvm(options: KvmProbeOptions): Promise<KvmProbe> {
  const { cachePath, devicePath = "/dev/kvm" } = options;
  const closed = await whyClosed(devicePath);
  if (closed !== undefined) return { works: false, reason: closed };
  if (cachePath === undefined) return await bootProbeGuest(options);

  const key = await cacheKey(options);
  const known = recall(await readTextIfThere(cachePath), key, Date.now());
  if (known !== undefined) return known;
  const probe = await bootProbeGuest(options);
  const text = JSON.stringify({ key, at_ms: Date.now(), ...probe });
  await writeFileAtomic(cachePath, `${text}\n`);
  return probe;
}

/** Why the device cannot be opened; undefined when it can. */
async function whyClosed(path: string): Promise<string | undefined> {
  try {
    (await Deno.open(path, { read: true, write: true })).close();
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `${path} does not exist`;
    if (error instanceof Deno.errors.PermissionDenied) {
      const gid = (await Deno.stat(path).catch(() => undefined))?.gid;
      const group = groupName(
        await readTextIfThere("/etc/group") ?? "",
        gid ?? 0,
      );
      return `${path} may be opened by members of the group "${group}" only`;
    }
    return `${path} cannot be opened: ${
      error instanceof Error ? error.message : String(error)
    }`;
  }
}

/** The name of a group in the text of /etc/group; its number without one. */
export function groupName(groups: string, gid: number): string {
  for (const line of groups.split("\n")) {
    const [name, , number] = line.split(":");
    if (name && number === String(gid)) return name;
  }
  return String(gid);
}

async function bootProbeGuest(options: KvmProbeOptions): Promise<KvmProbe> {
  const late = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const { stdout, stderr } = await execute(
    options.qemuPath,
    [
      ...["-M", "microvm,acpi=off,rtc=off", "-accel", "kvm", "-cpu", "host"],
      ...["-m", "64", "-smp", "1", "-nodefaults", "-no-user-config"],
      ...["-display", "none", "-serial", "stdio", "-no-reboot"],
      ...["-kernel", options.kernelPath],
      ...["-append", "console=ttyS0 reboot=t panic=-1"],
    ],
    { fault: "hypervisor-unavailable", signal: late },
  );
  if (stdout.includes("Linux version")) {
    return { works: true, reason: "a probe guest booted" };
  }
  if (late.aborted) {
    const seconds = PROBE_TIMEOUT_MS / 1_000;
    return {
      works: false,
      reason: `a probe guest did not boot within ${seconds} s`,
    };
  }
  const words = stderr.trim().split("\n").slice(-1).join("");
  return {
    works: false,
    reason: words === ""
      ? "a probe guest ended before its kernel spoke"
      : `QEMU could not run a probe guest: ${words}`,
  };
}

/** What the cache file says under `key`, unless it is a failure grown old. */
export function recall(
  text: string | undefined,
  key: string,
  nowMs: number,
): KvmProbe | undefined {
  if (text === undefined) return undefined;
  try {
    const known = JSON.parse(text) as Remembered;
    const age = nowMs - known.at_ms;
    if (known.key !== key) return undefined;
    if (!known.works && !(age >= 0 && age < FAILURE_KEPT_MS)) return undefined;
    return { works: known.works === true, reason: String(known.reason) };
  } catch {
    // Not ours or half a file: the probe is made again and replaces it.
    return undefined;
  }
}

async function cacheKey(options: KvmProbeOptions): Promise<string> {
  const { qemuPath, kernelPath } = options;
  const [bootId, kernel, qemu] = await Promise.all([
    Deno.readTextFile("/proc/sys/kernel/random/boot_id"),
    Deno.readFile(kernelPath),
    Deno.stat(qemuPath),
  ]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", kernel));
  const changed = qemu.mtime?.getTime() ?? 0;
  return `${bootId.trim()} ${digest.toHex()} ${qemuPath} ${changed}`;
}
