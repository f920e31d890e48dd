/**
 * What a boot needs, worked out of what the VM is: pure, so that it can be read
 * and tested without a host.
 *
 * @module
 */

import {
  BOOT_CONFIG_DEFAULTS,
  BOOT_CONFIG_WORD,
  type BootConfig,
  type RootDevice,
} from "../../guest/boot_config.ts";
import { Fault } from "../../lib/fault.ts";
import {
  type Manifest,
  type Workload,
  workloadCommand,
} from "../../manifest/manifest.ts";
import {
  type RlimitName,
  RLIMITS,
  signalNumber,
} from "../../manifest/signals.ts";
import type { GuestPorts } from "../hypervisors/hypervisor.ts";
import type { Attachment } from "../networks/network.ts";
import { rootKernelWords, type RootPlan } from "./root_plan.ts";
import type { Vm } from "./vm.ts";

/** The kernel cuts its command line at this many bytes on x86-64. */
const COMMAND_LINE_MAX = 2048;

/** The disks of a guest with the shim, in the order they are attached. */
export const BOOT_CONFIG_DEVICE = "/dev/vda";
export const ROOT_DEVICES = { root: "/dev/vdb", state: "/dev/vdc" } as const;

/** Numbers of a VM after its own wishes were laid over the manifest's. */
export function vmResources(
  { config }: Pick<Vm, "config">,
): {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
} {
  const { manifest, resources } = config;
  return {
    diskMib: resources?.disk_mb ?? manifest.resources.disk_mb,
    vcpus: resources?.cpu_cores ?? manifest.resources.cpu_cores,
    memoryMib: resources?.memory_mb ?? manifest.resources.memory_mb,
  };
}

/** Whether the shim is PID 1 of this guest. */
export function hasShim({ init }: Manifest): boolean {
  return init === undefined;
}

export function graceMs({ config }: Pick<Vm, "config">): number {
  return config.manifest.workload?.grace_ms ?? BOOT_CONFIG_DEFAULTS.graceMs;
}

/** What the shim is told; undefined for a guest without it. */
export function bootConfig(
  vm: Vm,
  ports: GuestPorts,
  { guest }: Attachment,
  root: RootDevice | undefined,
): BootConfig | undefined {
  const { manifest } = vm.config;
  const { workload } = manifest;
  if (!hasShim(manifest) || workload === undefined) return undefined;
  const { uid, gid } = workloadUser(vm.name, workload);
  return {
    ...BOOT_CONFIG_DEFAULTS,
    hostname: vm.name,
    ...guest,
    args: workloadCommand(workload),
    env: { ...workload.env, ...vm.config.env },
    cwd: workload.workdir ?? "/",
    uid,
    gid,
    groups: workload.groups,
    rlimits: rlimits(workload),
    restart: vm.config.restart ?? workload.restart,
    stopSignal: signalNumber(workload.stop_signal) ??
      BOOT_CONFIG_DEFAULTS.stopSignal,
    graceMs: workload.grace_ms,
    control: ports.control,
    output: ports.output,
    off: ports.off,
    root,
    manifest,
  };
}

function rlimits({ rlimits }: Workload): BootConfig["rlimits"] {
  return (Object.keys(RLIMITS) as RlimitName[]).flatMap((name) => {
    const limit = rlimits[name];
    return limit === undefined
      ? []
      : [{ resource: RLIMITS[name], soft: limit.soft, hard: limit.hard }];
  });
}

/** The daemon looks into no file system of a guest: ids, or root. */
function workloadUser(
  vmName: string,
  { user = "0" }: Workload,
): { readonly uid: number; readonly gid: number } {
  const [uid, gid] = user.replace(/^root\b/, "0").replace(/:root$/, ":0")
    .split(":").map(Number);
  if (uid !== undefined && Number.isInteger(uid)) {
    if (gid === undefined) return { uid, gid: uid };
    if (Number.isInteger(gid)) return { uid, gid };
  }
  throw new Fault(
    "not-supported",
    `Cannot run the workload of VM "${vmName}" as "${user}": names are not looked up in the guest`,
    { hint: "Write workload.user as uid or uid:gid, such as 1000:1000" },
  );
}

/** Words of the kernel command line that do not depend on the hypervisor. */
export function kernelArgs(
  vm: Pick<Vm, "config">,
  options: {
    readonly withBootConfig: boolean;
    readonly root?: RootPlan | undefined;
    /** The manifest encoded for `volant.manifest=`. */
    readonly encodedManifest: string;
    /** Bytes of the command line that are taken already. */
    readonly taken: number;
  },
): string[] {
  const { manifest, kernel_cmdline, manifest_on_cmdline } = vm.config;
  const words = [
    ...(options.withBootConfig
      ? [`${BOOT_CONFIG_WORD}=${BOOT_CONFIG_DEVICE}`]
      : []),
    ...initWords(manifest, options.root),
    `volant.runtime=${manifest.runtime}`,
    `volant.plugin=${manifest.name}`,
    ...commandLineWords(manifest.kernel?.cmdline),
    ...commandLineWords(kernel_cmdline),
  ];
  const word = `volant.manifest=${options.encodedManifest}`;
  // A NUL ends the line, and a space stands before the first word.
  const length = (all: readonly string[]) =>
    options.taken + new TextEncoder().encode(all.join(" ")).length + 2;
  if (length(words) > COMMAND_LINE_MAX) {
    throw new Fault(
      "invalid-input",
      `Cannot use a kernel command line of ${
        length(words)
      } bytes: the kernel reads ${COMMAND_LINE_MAX}`,
      { hint: "Take words out of kernel.cmdline and kernel_cmdline" },
    );
  }
  const fits = length([...words, word]) <= COMMAND_LINE_MAX;
  return fits && manifest_on_cmdline !== false ? [...words, word] : words;
}

/** Who is PID 1, where it is not the shim. */
function initWords(manifest: Manifest, root: RootPlan | undefined): string[] {
  const { init, initramfs } = manifest;
  if (init === undefined) return [];
  if (initramfs !== undefined) {
    return init.path === undefined ? [] : [`rdinit=${init.path}`];
  }
  return root === undefined ? [] : rootKernelWords(manifest, root, "/dev/vda");
}

function commandLineWords(line: string | undefined): string[] {
  return (line ?? "").split(/\s+/).filter((word) => word !== "");
}
