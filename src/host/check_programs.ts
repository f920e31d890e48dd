/**
 * Checks of the programs Volant starts.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { findProgram } from "../lib/exec.ts";
import { Fault } from "../lib/fault.ts";
import { type HostCheck, outcome } from "./check.ts";
import { findPasst, PASST_INSTALL } from "./passt.ts";
import { findQemu, QEMU_INSTALL } from "./qemu.ts";
import type { Tool } from "./tool.ts";

export function checkQemu(): Promise<HostCheck> {
  return checkTool(findQemu, "missing", "VOLANT_QEMU", {
    name: "qemu",
    needed_for: "running guests: without it none runs",
    remedy: QEMU_INSTALL,
  });
}

export function checkPasst(): Promise<HostCheck> {
  return checkTool(findPasst, "warn", "VOLANT_PASST", {
    name: "passt",
    needed_for: "guests on the user network: without it only --network none",
    remedy: PASST_INSTALL,
  });
}

async function checkTool(
  find: () => Promise<Tool>,
  otherwise: "missing" | "warn",
  variable: string,
  check: Omit<Required<HostCheck>, "status" | "found">,
): Promise<HostCheck> {
  try {
    const { path, version } = await find();
    return {
      name: check.name,
      status: "ok",
      found: version === "unknown" ? path : `${version}, ${path}`,
      needed_for: check.needed_for,
    };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    // Installing another does not help while the variable names this one.
    const remedy = Deno.env.get(variable)
      ? `name another in ${variable}, or unset it to use the one in PATH`
      : check.remedy;
    return outcome(false, otherwise, {
      ...check,
      found: error.message,
      remedy,
    });
  }
}

/** Programs that this version does not start, but later drivers and modes do. */
export async function checkOptionalPrograms(): Promise<HostCheck[]> {
  return await Promise.all([
    present("cloud-hypervisor", ["cloud-hypervisor"], {
      needed_for: "the Cloud Hypervisor driver: no guest uses it yet",
      remedy: "put a release of cloud-hypervisor in PATH",
    }),
    present("bridge tools", ["ip", "nft"], {
      needed_for: "bridged networks: no guest uses them yet",
      remedy: "apt-get install iproute2 nftables",
    }),
    present("file system tools", ["mkfs.erofs", "mke2fs"], {
      needed_for: "building rootfs images: the initramfs strategy needs none",
      remedy: "apt-get install erofs-utils e2fsprogs",
    }),
  ]);
}

async function present(
  name: string,
  programs: readonly string[],
  check: Pick<HostCheck, "needed_for" | "remedy">,
): Promise<HostCheck> {
  const paths = await Promise.all(programs.map((one) => findProgram(one)));
  const lacking = programs.filter((_, index) => paths[index] === undefined);
  return outcome(lacking.length === 0, "unused", {
    name,
    found: lacking.length === 0
      ? paths.join(", ")
      : `${lacking.join(" and ")} not found`,
    ...check,
  });
}

/** Free space where the state is kept; its nearest folder that exists. */
export async function checkDiskSpace(stateDir: string): Promise<HostCheck> {
  let folder = stateDir;
  while (!await Deno.stat(folder).then(() => true, () => false)) {
    folder = folder.slice(0, folder.lastIndexOf("/")) || "/";
  }
  const { bavail, bsize } = await statfs(folder);
  const free = Math.floor(bavail * bsize / (1024 * 1024));
  return outcome(free >= SPACE_WANTED_MIB, "warn", {
    name: "disk space",
    found: `${free} MiB free for ${stateDir}`,
    needed_for: `artifacts and logs: ${SPACE_WANTED_MIB} MiB are a start`,
    remedy: "make room there, or set VOLANT_STATE_DIR to a larger disk",
  });
}

const SPACE_WANTED_MIB = 512;
