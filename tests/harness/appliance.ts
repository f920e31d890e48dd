/**
 * Small appliances for tests: built once per test run by the executable itself,
 * from busybox and a script.
 */

import type { TmpVolant } from "./tmp_volant.ts";

/** Whoever has a folder, and runs the executable. */
type Builder = Pick<TmpVolant, "folder" | "run">;

export interface Appliance {
  /** Absolute path of the manifest. */
  readonly manifest: string;
}

export interface ApplianceOptions {
  readonly name: string;
  /** Run by `/bin/sh -c`. */
  readonly script: string;
  readonly memoryMib?: number;
  /** Added to the manifest as it stands. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly workload?: Readonly<Record<string, unknown>>;
}

/** Builds it in the folder of `volant`; gone with that. */
export async function buildAppliance(
  volant: Builder,
  { name, script, memoryMib = 64, manifest = {}, workload = {} }:
    ApplianceOptions,
): Promise<Appliance> {
  const folder = `${volant.folder}/${name}`;
  await Deno.mkdir(folder);
  await Deno.writeTextFile(
    `${folder}/fledge.toml`,
    [
      'version = "1"',
      'strategy = "initramfs"',
      "[source]",
      'busybox_path = "/bin/busybox"',
    ].join("\n"),
  );
  await Deno.writeTextFile(
    `${folder}/manifest.toml`,
    `schema_version = "v1"\nname = "${name}"\nversion = "1.0.0"\nruntime = "${name}"\n` +
      `[resources]\ncpu_cores = 1\nmemory_mb = 128\n` +
      `[workload]\nentrypoint = ["/bin/sh"]\n`,
  );
  await volant.run(
    "build",
    `${folder}/fledge.toml`,
    "-o",
    `${folder}/${name}.cpio`,
  );
  const path = `${folder}/${name}.cpio.manifest.json`;
  const built = JSON.parse(await Deno.readTextFile(path));
  const whole = {
    ...built,
    ...manifest,
    resources: { cpu_cores: 1, memory_mb: memoryMib },
    workload: { ...workload, entrypoint: ["/bin/sh", "-c", script] },
  };
  await Deno.writeTextFile(path, JSON.stringify(whole));
  return { manifest: path };
}

/** One that does nothing, for tests of what is done to it. */
export async function idleAppliance(volant: Builder): Promise<Appliance> {
  return await buildAppliance(volant, { name: "idle", script: "sleep 1000" });
}
