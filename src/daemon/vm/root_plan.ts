/**
 * How the root file system of a guest is put together: pure.
 *
 * What many VMs share is read-only below an overlay; what a VM may write goes to
 * a state disk of its own, or into memory if it is to be forgotten. A root that
 * must be written in place is copied for the VM.
 *
 * @module
 */

import type { RootDevice, RootFileSystem } from "../../guest/boot_config.ts";
import { Fault } from "../../lib/fault.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import type { VmConfig } from "../../api/vms.ts";

export interface RootPlan {
  readonly fs: RootFileSystem;
  /** Format of the image file. */
  readonly format: "raw" | "qcow2";
  /** The image itself is attached read-only, else a copy of the VM's own. */
  readonly shared: boolean;
  /** An ext4 disk of the VM's own is the upper layer. */
  readonly stateDisk: boolean;
}

export function isEphemeral(
  { manifest, ephemeral }: Pick<VmConfig, "manifest" | "ephemeral">,
): boolean {
  return ephemeral ?? manifest.ephemeral;
}

/**
 * Refuses what cannot be forgotten: without the shim there is no overlay, and a
 * guest would keep, in a copy of its own, what it was not to keep.
 */
export function checkEphemeral(
  config: Pick<VmConfig, "manifest" | "ephemeral">,
  fs: RootFileSystem,
): void {
  const { init } = config.manifest;
  if (init === undefined || isReadOnly(fs) || !isEphemeral(config)) return;
  throw new Fault(
    "not-supported",
    `Cannot make a guest ephemeral that has init set and a root of ${fs}: it writes to its disk in place`,
    {
      hint:
        "Take ephemeral or init out of the manifest, or use an image of erofs or squashfs",
    },
  );
}

/** Undefined for a guest that lives in its initramfs. `fs` is what the image holds. */
export function rootPlan(
  config: Pick<VmConfig, "manifest" | "ephemeral">,
  fs: RootFileSystem | undefined,
): RootPlan | undefined {
  const { rootfs, init } = config.manifest;
  if (rootfs === undefined || fs === undefined) return undefined;
  const format = rootfs.format === "qcow2" ? "qcow2" : "raw";
  const readOnly = isReadOnly(fs);
  if (init !== undefined) {
    // No shim, no overlay: such a guest sees the disk as it is.
    return { fs, format, shared: readOnly, stateDisk: false };
  }
  const ephemeral = isEphemeral(config);
  return {
    fs,
    format,
    shared: readOnly || ephemeral,
    stateDisk: readOnly && !ephemeral,
  };
}

function isReadOnly(fs: RootFileSystem): boolean {
  return fs === "erofs" || fs === "squashfs";
}

/** What the shim is told of it; the disks are named in the order given. */
export function rootDevice(
  { fs, shared, stateDisk }: RootPlan,
  devices: { readonly root: string; readonly state: string },
): RootDevice {
  return {
    device: devices.root,
    fs,
    mode: shared ? "overlay" : "rw",
    ...(stateDisk && { state: devices.state }),
  };
}

/** Words for the kernel of a guest whose own program is PID 1 on that root. */
export function rootKernelWords(
  { init }: Manifest,
  { fs, shared }: RootPlan,
  device: string,
): string[] {
  return [
    `root=${device}`,
    `rootfstype=${fs}`,
    shared ? "ro" : "rw",
    // The shim in the kernel's own initramfs is not to be found, so the kernel
    // goes on to the root it is told of.
    "rdinit=/none",
    ...(init?.path === undefined ? [] : [`init=${init.path}`]),
  ];
}
