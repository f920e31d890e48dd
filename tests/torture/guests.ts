/**
 * The VMs that are tortured: what they are made from, and what they say.
 *
 * A guest with a disk writes ever greater numbers to it, and says `put N` once N
 * is safe there; at each start it says `kept N`, what it found.
 */

import { attempt } from "../harness/host_facts.ts";
import { buildAppliance } from "../harness/appliance.ts";
import { rootImage, rootManifest, run } from "../harness/root_image.ts";
import type { Host } from "./host.ts";

/** A console tells at once what it held. */
const TYPED_MS = 1000;

export const KINDS = ["overlay", "copy", "ephemeral", "memory"] as const;

export type Kind = typeof KINDS[number];

/** What of a VM is chosen when it is created. */
export interface Spec {
  readonly kind: Kind;
  readonly network: "bridged" | "user" | "none";
  readonly port?: number;
  readonly restart: "no" | "on-failure" | "always";
  readonly autoRemove: boolean;
  /** Created by a plugin's name. */
  readonly plugin?: string;
}

/** The policy that holds: one that goes by itself is not started again. */
export function restartPolicy({ restart, autoRemove }: Spec): Spec["restart"] {
  return autoRemove ? "no" : restart;
}

/** Whether numbers its guest puts down outlast the guest. */
export function keeps({ kind }: Spec): boolean {
  return kind === "overlay" || kind === "copy";
}

/** Not by sync(2), which tells nothing of a write that was lost. */
const COUNT = `
b=/bin/busybox
n=0
read n rest < /data/n
echo "kept $n"
trap 'exit 0' TERM
while :; do
  n=$((n+1))
  printf '%-10d\\n' $n | $b dd of=/data/n conv=fsync,notrunc 2> /dev/null && echo "put $n"
  $b sleep 0.2
done
`;

const WAIT = `
echo "kept 0"
trap 'exit 0' TERM
while :; do sleep 0.2; done
`;

// deno-lint-ignore no-explicit-any
export type Manifests = Readonly<Record<Kind, any>>;

export async function makeManifests(host: Host): Promise<Manifests> {
  const image = await rootImage(host, "erofs");
  const small = `${host.folder}/small.ext4`;
  const tree = `${host.folder}/root-tree`;
  await run("mke2fs", "-q", "-t", "ext4", "-d", tree, small, "16M");
  const read = async (path: string) => {
    const manifest = JSON.parse(await Deno.readTextFile(path));
    const { initramfs } = manifest;
    return {
      ...manifest,
      ...(initramfs && {
        initramfs: { ...initramfs, url: `${host.folder}/memory/memory.cpio` },
      }),
      resources: { cpu_cores: 1, memory_mb: 40, disk_mb: 32 },
    };
  };
  const { manifest } = await buildAppliance(host, {
    name: "memory",
    script: WAIT,
  });
  const root = (name: string, image: string, format: "erofs" | "ext4") =>
    rootManifest(host, { name, image, format, script: COUNT }).then(read);
  return {
    overlay: await root("overlay", image, "erofs"),
    copy: await root("copy", small, "ext4"),
    ephemeral: await root("ephemeral", image, "erofs"),
    memory: await read(manifest),
  };
}

/** The body of a request that creates it. */
export function createBody(
  name: string,
  spec: Spec,
  manifests: Manifests,
): Readonly<Record<string, unknown>> {
  const { kind, network, port, restart, autoRemove, plugin } = spec;
  return {
    name,
    config: {
      ...(plugin === undefined ? { manifest: manifests[kind] } : { plugin }),
      network: { mode: network },
      restart,
      ...(autoRemove && { auto_remove: true }),
      ...(kind === "ephemeral" && { ephemeral: true }),
      expose: port === undefined ? [] : [{ host_port: port, port: 80 }],
    },
  };
}

/**
 * Types a line on the console of a simulated guest, by its monitor: no daemon is
 * needed. False if there is no such machine.
 */
export async function typeLine(
  host: Host,
  id: number,
  line: string,
): Promise<boolean> {
  try {
    using monitor = await Deno.connect({
      transport: "unix",
      path: `${host.runtimeDir}/vms/${id}/monitor.sock`,
    });
    await monitor.write(new TextEncoder().encode(`console\n${line}\n`));
    // What comes back first is what the console held: then the line was taken.
    const late = setTimeout(() => attempt(() => monitor.close()), TYPED_MS);
    await monitor.read(new Uint8Array(1));
    clearTimeout(late);
    return true;
  } catch {
    // It has ended, or is just about to.
    return false;
  }
}

/** What a guest's log tells of the numbers it put down. */
export interface Told {
  /** The greatest that is acknowledged. */
  readonly put: number;
  readonly starts: number;
  readonly wrong: readonly string[];
}

/** Of all the whole lines in a VM's log. */
export function readNumbers(text: string): Told {
  let put = 0;
  let starts = 0;
  const wrong: string[] = [];
  for (const [, word, digits] of text.matchAll(/ F (put|kept) (\d+)$/gm)) {
    const number = Number(digits);
    if (word === "put") put = Math.max(put, number);
    else {
      starts++;
      if (number < put) {
        wrong.push(`start ${starts} found ${number}, but ${put} was put down`);
      }
    }
  }
  return { put, starts, wrong };
}

export function outputLog(host: Host, id: number): string {
  const path = `${host.stateDir}/vms/${id}/logs/output.log`;
  return attempt(() => Deno.readTextFileSync(path)) ?? "";
}
