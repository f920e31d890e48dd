/**
 * VMs whose VMM is simulated, and what they are told: see docs/simulated.md.
 */

import { rootImage } from "./root_image.ts";
import { type StartOptions, TmpVolant } from "./tmp_volant.ts";

/** A daemon whose guests are simulated, without a network unless told otherwise. */
export async function startSimulated(
  { env = {}, ...options }: StartOptions = {},
): Promise<TmpVolant> {
  const network: Record<string, string> = options.netns === undefined
    ? { VOLANT_DEFAULT_NETWORK: "none" }
    : {};
  return await TmpVolant.start({
    ...options,
    env: { VOLANT_HYPERVISOR: "simulated", ...network, ...env },
  });
}

export interface SimulatedManifest {
  readonly name?: string;
  /** With a root on a disk, over which the guest can write. */
  readonly withDisk?: boolean;
  readonly workload?: Readonly<Record<string, unknown>>;
  readonly manifest?: Readonly<Record<string, unknown>>;
}

/** Writes it in the folder of `volant`, with what it boots from. */
export async function simulatedManifest(
  volant: TmpVolant,
  { name = "simulated", withDisk = false, workload, manifest }:
    SimulatedManifest = {},
): Promise<string> {
  const path = `${volant.folder}/${name}.json`;
  const initramfs = `${volant.folder}/${name}.cpio`;
  if (!withDisk) await Deno.writeTextFile(initramfs, "nothing unpacks this");
  const root = withDisk
    ? { rootfs: { url: await rootImage(volant, "erofs"), format: "erofs" } }
    : { initramfs: { url: initramfs } };
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      schema_version: "v1",
      name,
      version: "1",
      runtime: name,
      resources: { cpu_cores: 1, memory_mb: 64, disk_mb: 64 },
      ...root,
      workload: { entrypoint: ["/simulated"], ...workload },
      ...manifest,
    }),
  );
  return path;
}

/** Words of a `vm create` of a VM that begins with `commands`. */
export function createWords(
  name: string,
  manifest: string,
  commands: string,
): readonly string[] {
  return [
    ...["vm", "create", name, "--manifest", manifest],
    ...["--env", `SIMULATE=${commands}`],
  ];
}

/** Has a machine that runs carry out a command: types it on its console. */
export async function tell(
  volant: TmpVolant,
  name: string,
  command: string,
): Promise<void> {
  const { id } = await volant.json("vm", "get", name);
  using monitor = await Deno.connect({
    transport: "unix",
    path: `${volant.runtimeDir}/vms/${id}/monitor.sock`,
  });
  // A remark before it, so that an earlier echo is not taken for this one's.
  const lines = [`# ${crypto.randomUUID()}`, command];
  await monitor.write(new TextEncoder().encode("console\n"));
  await monitor.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
  // A guest shows what it was told before it obeys, and it may obey by dying.
  let seen = "";
  const chunk = new Uint8Array(16_384);
  while (!seen.includes(`${lines.join("\r\n")}\r\n`)) {
    const count = await monitor.read(chunk);
    if (count === null) return;
    seen += new TextDecoder().decode(chunk.subarray(0, count));
  }
}
