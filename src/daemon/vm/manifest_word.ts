/**
 * The manifest as one word of a kernel command line, as guests of the first
 * Volant read it: JSON, gzip, base64url without padding.
 *
 * Everyone in the guest can read that line, so what may hold a secret stays
 * out of it: environment, arguments and cloud-init travel in the boot config.
 *
 * @module
 */

import { gzipSync } from "node:zlib";
import type { Artifact, Manifest } from "../../manifest/manifest.ts";

export function manifestWord(manifest: Manifest): string {
  const { cloud_init: _, workload, rootfs, initramfs, ...rest } = manifest;
  const { env: _env, args: _args, ...open } = workload ?? {};
  const json = JSON.stringify({
    ...rest,
    ...(rootfs && { rootfs: withoutPlace(rootfs) }),
    ...(initramfs && { initramfs: withoutPlace(initramfs) }),
    ...(workload && { workload: open }),
  });
  return gzipSync(json, { level: 9 }).toString("base64url");
}

/** What it is says its checksum; where it lies is the host's business. */
function withoutPlace(artifact: Artifact): Artifact {
  return { ...artifact, url: artifact.checksum ?? "" };
}
