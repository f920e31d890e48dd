/**
 * What a guest has of its memory, and what it costs its host.
 */

import { built, source } from "../../tests/harness/built.ts";
import { TmpVolant } from "../../tests/harness/tmp_volant.ts";
import { type Figure, rounded } from "./figure.ts";

const GUEST_MIB = 64;
/** No guest is tried with less. */
const FLOOR_MIB = 8;
const KIB_PER_MIB = 1024;

export async function benchMemory(): Promise<Figure[]> {
  await using volant = await TmpVolant.start();
  const artifact = `${volant.folder}/hello.cpio`;
  await volant.run(
    "build",
    source("examples/hello/fledge.toml"),
    "--output",
    artifact,
  );
  const manifest = `${artifact}.manifest.json`;
  return [
    await available(volant, manifest),
    await smallest(volant, manifest),
    ...await hostMemory(volant, manifest),
  ];
}

/** The workload is replaced by one that looks, and nothing else. */
async function available(volant: TmpVolant, manifest: string): Promise<Figure> {
  const value = JSON.parse(await Deno.readTextFile(manifest));
  value.workload.entrypoint = ["/bin/busybox", "cat", "/proc/meminfo"];
  value.workload.args = [];
  delete value.health_check;
  const path = `${volant.folder}/look.json`;
  await Deno.writeTextFile(path, JSON.stringify(value));
  await volant.run(
    "vm",
    "create",
    "look",
    "--manifest",
    path,
    "--memory",
    `${GUEST_MIB}`,
  );
  await volant.volant("vm", "wait", "look");
  const lines = await volant.run("vm", "logs", "look");
  await volant.run("vm", "delete", "look");
  const [, kib] = /^MemAvailable:\s+(\d+) kB$/m.exec(lines) ?? [];
  return {
    key: "memory.initramfs.available_mib",
    value: rounded(Number(kib) / KIB_PER_MIB),
    unit: `MiB of ${GUEST_MIB}`,
    how:
      "MemAvailable, read by the workload of examples/hello as its first act, all devices attached",
  };
}

/** From what surely works down to what does not. */
async function smallest(volant: TmpVolant, manifest: string): Promise<Figure> {
  let least = NaN;
  for (let mib = 32; mib >= FLOOR_MIB; mib--) {
    const { status } = await volant.volant(
      "vm",
      "create",
      "small",
      "--manifest",
      manifest,
      "--memory",
      `${mib}`,
      "--wait",
      "healthy",
      "--timeout",
      "30",
    );
    await volant.volant("vm", "delete", "--force", "small");
    if (status !== 0) break;
    least = mib;
  }
  return {
    key: "memory.initramfs.smallest_mib",
    value: least,
    unit: "MiB",
    how:
      "least memory in which examples/hello answers an HTTP request, tried downwards one MiB at a time",
  };
}

async function hostMemory(
  volant: TmpVolant,
  manifest: string,
): Promise<Figure[]> {
  await volant.run(
    "vm",
    "create",
    "idle",
    "--manifest",
    manifest,
    "--memory",
    `${GUEST_MIB}`,
    "--wait",
    "healthy",
  );
  const { id } = await volant.json("vm", "get", "idle");
  const state = await Deno.readTextFile(
    `${volant.runtimeDir}/vms/${id}/monitor.state`,
  );
  const pid = (who: string) =>
    Number(new RegExp(`^${who}_pid=(\\d+)$`, "m").exec(state)?.[1]);
  const [vmm, monitor] = await Promise.all([
    pss(pid("vmm")),
    pss(pid("monitor")),
  ]);
  await volant.run("vm", "delete", "--force", "idle");
  const figure = {
    unit: "MiB",
    how: `PSS with one idle ${GUEST_MIB} MiB guest running ${
      built("volant").split("/").pop()
    }'s examples/hello; the accelerator is what this host has`,
  };
  return [
    { key: "memory.host_mib", value: rounded(vmm + monitor), ...figure },
    { key: "memory.monitor_mib", value: rounded(monitor), ...figure },
  ];
}

async function pss(pid: number): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1]) / KIB_PER_MIB;
}
