/**
 * Checks of the programs Volant starts.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { findProgram } from "../lib/exec.ts";
import { Fault } from "../lib/fault.ts";
import { findMke2fs } from "../lib/mke2fs.ts";
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
    needed_for:
      "the user network: without it only --network none, or bridged as root",
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

/** Programs that make disks of guests; and of a driver that is still to come. */
export async function checkOtherPrograms(): Promise<HostCheck[]> {
  return await Promise.all([
    checkMke2fs(),
    present("cp", "warn", {
      needed_for: "guests that write to a root file system of their own",
      remedy: "apt-get install coreutils",
    }),
    present("cloud-hypervisor", "unused", {
      needed_for: "the Cloud Hypervisor driver: no guest uses it yet",
      remedy: "put a release of cloud-hypervisor in PATH",
    }),
  ]);
}

async function checkMke2fs(): Promise<HostCheck> {
  const mke2fs = await findMke2fs();
  const found = [mke2fs?.version, mke2fs?.path].filter((word) => word);
  return outcome(mke2fs !== undefined, "warn", {
    name: "mke2fs",
    found: mke2fs === undefined
      ? `the program "mke2fs" is not installed`
      : found.join(", "),
    needed_for:
      "state disks: without it no guest with a root file system keeps its data",
    remedy: "apt-get install e2fsprogs",
  });
}

async function present(
  name: string,
  otherwise: "warn" | "unused",
  check: Pick<HostCheck, "needed_for" | "remedy">,
): Promise<HostCheck> {
  const path = await findProgram(name);
  return outcome(path !== undefined, otherwise, {
    name,
    found: path ?? `the program "${name}" is not installed`,
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
