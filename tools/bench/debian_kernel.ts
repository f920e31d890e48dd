/**
 * Debian's cloud kernel, the baseline: taken from its package without
 * installing it, kept in the cache.
 */

import { output } from "./figure.ts";

export async function debianCloudKernel(): Promise<
  { readonly kernel: string; readonly version: string }
> {
  const { stdout } = await output("apt-cache", [
    "depends",
    "linux-image-cloud-amd64",
  ]);
  const [, name] = /Depends: (linux-image-\S+-cloud-amd64)/.exec(stdout) ?? [];
  if (name === undefined) {
    throw new Error(
      "Debian's cloud kernel is not known here: run `apt-get update`",
    );
  }
  const folder = `${cacheFolder()}/bench/${name}`;
  const kernel = `${folder}/boot/vmlinuz-${name.slice("linux-image-".length)}`;
  if (!await exists(kernel)) {
    await Deno.mkdir(folder, { recursive: true });
    await output("apt-get", ["download", "-qq", name], { cwd: folder });
    await output("sh", ["-c", "dpkg-deb -x ./*.deb . && rm ./*.deb"], {
      cwd: folder,
    });
  }
  return { kernel, version: name };
}

function cacheFolder(): string {
  const home = Deno.env.get("VOLANT_CACHE");
  if (home) return home;
  const base = Deno.env.get("XDG_CACHE_HOME") ??
    `${Deno.env.get("HOME")}/.cache`;
  return `${base}/volant`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
