/**
 * A plugin: a manifest that is installed, and the digests of its files.
 *
 * @module
 */

import type { Artifact, Disk, Manifest } from "../../manifest/manifest.ts";
import type { Digest } from "../../manifest/values.ts";

export interface Plugin {
  readonly name: string;
  readonly version: string;
  readonly enabled: boolean;
  /** Its files are named by digest: `sha256:...` stands where a URL was. */
  readonly manifest: Manifest;
  readonly artifacts: PluginArtifacts;
  readonly installedAt: string;
  readonly updatedAt: string;
}

/** Which file it is (`initramfs`, `rootfs`, `disk:NAME`) to its digest. */
export type PluginArtifacts = Readonly<Record<string, string>>;

/** The files a manifest names, by the names `PluginArtifacts` has for them. */
export function manifestFiles(
  { initramfs, rootfs, disks }: Manifest,
): ReadonlyMap<string, Artifact> {
  const files = new Map<string, Artifact>();
  if (initramfs !== undefined) files.set("initramfs", initramfs);
  if (rootfs !== undefined) files.set("rootfs", rootfs);
  for (const { name, source, checksum } of disks) {
    files.set(`disk:${name}`, { url: source, checksum });
  }
  return files;
}

/** The manifest with every file named by its digest. */
export function withDigests(
  manifest: Manifest,
  artifacts: PluginArtifacts,
): Manifest {
  const { initramfs, rootfs, disks } = manifest;
  const digestOf = (name: string) => artifacts[name] as Digest;
  const held = <A extends Artifact>(file: A, name: string): A => ({
    ...file,
    url: digestOf(name),
    checksum: digestOf(name),
  });
  return {
    ...manifest,
    ...(initramfs && { initramfs: held(initramfs, "initramfs") }),
    ...(rootfs && { rootfs: held(rootfs, "rootfs") }),
    disks: disks.map((disk): Disk => ({
      ...disk,
      source: digestOf(`disk:${disk.name}`),
      checksum: digestOf(`disk:${disk.name}`),
    })),
  };
}
