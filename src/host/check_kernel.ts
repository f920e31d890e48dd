/**
 * Checks of what the host's own kernel and service manager offer.
 *
 * @module
 */

import { readTextIfThere } from "../lib/files.ts";
import { type HostCheck, outcome } from "./check.ts";
import { availableMemoryMib } from "./memory.ts";
import { isAtLeast } from "./tool.ts";

const OLDEST_KERNEL = "5.10";
const MEMORY_WANTED_MIB = 256;

export async function checkKernel(): Promise<HostCheck[]> {
  return [
    checkKernelVersion(Deno.osRelease()),
    checkMemory(await availableMemoryMib()),
    await checkUserNamespaces(),
    await checkCgroups(),
    await checkSystemd(),
    await checkDevice("/dev/vhost-net", {
      needed_for: "quicker bridged networks: no guest uses them yet",
      remedy: "modprobe vhost_net",
    }),
    await checkDevice("/dev/vhost-vsock", {
      needed_for: "guest channels by vsock: no guest uses them yet",
      remedy: "modprobe vhost_vsock",
    }),
  ];
}

function checkKernelVersion(release: string): HostCheck {
  return outcome(isAtLeast(release, OLDEST_KERNEL), "warn", {
    name: "linux",
    found: release,
    needed_for: `the daemon: it is tested on ${OLDEST_KERNEL} and newer`,
    remedy: "upgrade the host's kernel",
  });
}

function checkMemory(mib: number): HostCheck {
  return outcome(mib >= MEMORY_WANTED_MIB, "warn", {
    name: "memory",
    found: `${mib} MiB available`,
    needed_for: "guests: a small one takes some 70 MiB with its VMM",
    remedy: "end something, or add memory",
  });
}

/** passt locks itself into one; as root it can do without the permission. */
async function checkUserNamespaces(): Promise<HostCheck> {
  const limit = await readNumber("/proc/sys/user/max_user_namespaces");
  const debian = await readNumber("/proc/sys/kernel/unprivileged_userns_clone");
  const ubuntu = await readNumber(
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
  );
  const isRoot = Deno.uid() === 0;
  const isAllowed = limit !== 0 && (isRoot || (debian !== 0 && ubuntu !== 1));
  return outcome(isAllowed, "warn", {
    name: "user namespaces",
    found: isAllowed ? "allowed" : "not allowed for this user",
    needed_for: "passt, which locks itself into one: the user network",
    remedy: limit === 0
      ? "sysctl -w user.max_user_namespaces=10000"
      : debian === 0
      ? "sysctl -w kernel.unprivileged_userns_clone=1"
      : "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  });
}

async function checkCgroups(): Promise<HostCheck> {
  const controllers = await readTextIfThere("/sys/fs/cgroup/cgroup.controllers")
    .catch(() => undefined);
  const own = /^0::(.*)$/m.exec(await Deno.readTextFile("/proc/self/cgroup"));
  const folder = `/sys/fs/cgroup${own?.[1] ?? ""}`;
  const isDelegated = controllers !== undefined &&
    (await Deno.stat(`${folder}/cgroup.procs`).catch(() => undefined))?.uid ===
      Deno.uid();
  return outcome(isDelegated, "unused", {
    name: "cgroup v2",
    found: controllers === undefined
      ? "not mounted at /sys/fs/cgroup"
      : `${controllers.trim()}; ${isDelegated ? "" : "not "}delegated`,
    needed_for: "limits for machines: none are set yet",
    remedy: controllers === undefined
      ? "boot with systemd.unified_cgroup_hierarchy=1"
      : "run the daemon as a systemd service with Delegate=yes",
  });
}

async function checkSystemd(): Promise<HostCheck> {
  const isThere = await Deno.stat("/run/systemd/system")
    .then(() => true, () => false);
  return outcome(isThere, "unused", {
    name: "systemd",
    found: isThere ? "it runs" : "it does not run",
    needed_for: "starting the daemon at boot: start it yourself without",
  });
}

async function checkDevice(
  path: string,
  check: Pick<HostCheck, "needed_for" | "remedy">,
): Promise<HostCheck> {
  const isThere = await Deno.stat(path).then(() => true, () => false);
  return outcome(isThere, "unused", {
    name: path,
    found: isThere ? "there" : "not there",
    ...check,
  });
}

async function readNumber(path: string): Promise<number | undefined> {
  const text = await readTextIfThere(path);
  return text === undefined ? undefined : Number(text.trim());
}
