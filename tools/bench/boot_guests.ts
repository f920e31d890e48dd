/**
 * The guests whose boot is measured, as the daemon would ask for them: the same
 * small workload, busybox's httpd, on the initramfs path and on the rootfs path.
 */

import type { FsNode } from "../../src/builder/erofs/tree.ts";
import { ErofsWriter } from "../../src/builder/erofs/writer.ts";
import type {
  BootSpec,
  DiskSpec,
} from "../../src/daemon/hypervisors/hypervisor.ts";
import { makeStateDisk } from "../../src/daemon/vm/disks.ts";
import {
  BOOT_CONFIG_DEFAULTS,
  encodeBootConfig,
  type RootDevice,
} from "../../src/guest/boot_config.ts";
import { built, source } from "../../tests/harness/built.ts";
import { output } from "./figure.ts";

export const MEMORY_MIB = 64;
/** Of a VM that asks for nothing else. */
const STATE_DISK_MIB = 10_240;

/** examples/hello, built by the executable. */
export async function initramfsGuest(folder: string): Promise<BootSpec> {
  const artifact = `${folder}/hello.cpio`;
  await output(built("volant"), [
    "build",
    source("examples/hello/fledge.toml"),
    "--output",
    artifact,
  ]);
  const { workload } = JSON.parse(
    await Deno.readTextFile(`${artifact}.manifest.json`),
  );
  const command = [...workload.entrypoint, ...workload.args];
  return {
    ...await guest(folder, "initramfs", command, []),
    kernelPath: built("kernels/vmlinux-generic"),
    initramfsPath: artifact,
  };
}

/** The same files in an erofs below an overlay; its upper layer as named. */
export async function rootfsGuest(
  folder: string,
  upper: "state-disk" | "tmpfs",
): Promise<BootSpec> {
  const image = `${folder}/hello.erofs`;
  const state = `${folder}/state.ext4`;
  await writeImage(image);
  const disks: DiskSpec[] = [{ path: image, format: "raw", readOnly: true }];
  if (upper === "state-disk") {
    const signal = new AbortController().signal;
    await makeStateDisk(state, STATE_DISK_MIB, undefined, signal);
    disks.push({ path: state, format: "raw", readOnly: false });
  }
  const command = ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"];
  return {
    ...await guest(folder, upper, command, disks, {
      device: "/dev/vdb",
      fs: "erofs",
      mode: "overlay",
      ...(upper === "state-disk" && { state: "/dev/vdc" }),
    }),
    kernelPath: built("kernels/vmlinux-volant"),
  };
}

/** By the writer that converts OCI images. */
async function writeImage(path: string): Promise<void> {
  const owner = { uid: 0, gid: 0, mtime: 0 };
  await Deno.remove(path).catch(() => {});
  await using writer = await ErofsWriter.open(path);
  const file = async (from: string, mode: number) => {
    using opened = await Deno.open(from);
    const data = await writer.writeData(opened.readable);
    return { kind: "file", mode, ...owner, data } as const;
  };
  const busybox = await file("/bin/busybox", 0o755);
  const page = await file(source("examples/hello/index.html"), 0o644);
  const directory = <Data>(entries: Readonly<Record<string, FsNode<Data>>>) =>
    ({
      kind: "directory",
      mode: 0o755,
      ...owner,
      entries: new Map(Object.entries(entries)),
    }) as const;
  const root = directory({
    bin: directory({ busybox }),
    www: directory({ "index.html": page }),
  });
  await writer.finish(root, { mtime: 0, uuid: new Uint8Array(16) });
}

async function guest(
  folder: string,
  name: string,
  args: readonly string[],
  disks: readonly DiskSpec[],
  root?: RootDevice,
): Promise<Omit<BootSpec, "kernelPath">> {
  const config = `${folder}/${name}.boot.conf`;
  await Deno.writeFile(
    config,
    encodeBootConfig({
      ...BOOT_CONFIG_DEFAULTS,
      hostname: "hello",
      ip: "10.0.2.15/24",
      gateway: "10.0.2.2",
      dns: ["10.0.2.3"],
      args,
      control: "/dev/ttyS1",
      output: "/dev/ttyS2",
      off: "reset",
      root,
    }),
  );
  return {
    name: "hello",
    runDir: folder,
    logDir: folder,
    kernelArgs: ["volant.config=/dev/vda"],
    vcpus: 1,
    memoryMib: MEMORY_MIB,
    disks: [{ path: config, format: "raw", readOnly: true }, ...disks],
    nic: {
      kind: "stream",
      mac: "02:00:00:00:00:01",
      companion: () => [],
    },
    hasShim: true,
    graceMs: 1000,
  };
}
