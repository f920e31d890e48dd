/**
 * Starting a machine for a VM.
 *
 * @module
 */

import { encodeBootConfig } from "../../guest/boot_config.ts";
import { writeFileAtomic } from "../../lib/files.ts";
import { step } from "../../lib/step.ts";
import type { BootSpec, DiskSpec, Machine } from "../hypervisors/hypervisor.ts";
import { clearRunDir } from "../machines/clear_run_dir.ts";
import type { Attachment } from "../networks/network.ts";
import { admitMemory } from "./admission.ts";
import {
  bootConfig,
  graceMs,
  hasShim,
  kernelArgs,
  ROOT_DEVICES,
  vmResources,
} from "./boot_plan.ts";
import type { VmDeps } from "./deps.ts";
import { makeRootCopy, makeStateDisk, type Owner } from "./disks.ts";
import { manifestWord } from "./manifest_word.ts";
import { rootFileSystem } from "./root_format.ts";
import { rootDevice, type RootPlan, rootPlan } from "./root_plan.ts";
import type { Vm } from "./vm.ts";
import { makeVmDirs, type VmDirs, vmDirs } from "./vm_dirs.ts";

/**
 * Starts the machine of `vm` and hands it back running.
 *
 * Each step puts what it made on `undo`; if a later step throws, leaving the
 * function takes everything down again in reverse order. The disks stay: they
 * are the VM's, whether it runs or not.
 */
export async function launchMachine(
  deps: VmDeps,
  vm: Vm,
  signal: AbortSignal,
): Promise<Machine> {
  await admitMemory(deps, vm.name, vmResources(vm).memoryMib);
  await using undo = new AsyncDisposableStack();

  const dirs = vmDirs(deps.folders, vm.id);
  undo.defer(() => clearRunDir(dirs.run.path));
  // What an earlier machine left there says nothing of this one.
  await clearRunDir(dirs.run.path);
  await makeVmDirs(dirs);
  step("start:folders-made");
  const root = await preparedRoot(deps, vm, dirs, signal);

  const network = deps.networks[vm.lease.mode];
  undo.defer(() => network.detach(vm));
  const attachment = await network.attach(vm);
  step("start:network-attached");
  const spec = await bootSpec(deps, vm, root, attachment);
  const kernelCmdline = await deps.hypervisor.commandLine(spec);
  // Before there is a machine, so that nothing has to be written after.
  deps.vms.update(vm, { kernelCmdline });
  const machine = undo.use(await deps.hypervisor.launch(spec, signal));
  step("start:launched");

  undo.move();
  return machine;
}

interface Root {
  readonly plan: RootPlan;
  /** First the root, then, if there is one, the state disk. */
  readonly disks: readonly DiskSpec[];
}

/** Makes the disks that the root needs and are not there yet. */
async function preparedRoot(
  deps: VmDeps,
  vm: Vm,
  { stateDisk, rootCopy }: VmDirs,
  signal: AbortSignal,
): Promise<Root | undefined> {
  const { rootfs } = vm.config.manifest;
  if (rootfs === undefined || vm.artifacts.rootfs === undefined) {
    return undefined;
  }
  const image = deps.artifacts.path(vm.artifacts.rootfs);
  const fs = await rootFileSystem(image, rootfs.format);
  const plan = rootPlan(vm.config, fs);
  if (plan === undefined) return undefined;
  const owner = vmOwner(deps, vm);
  const { format } = plan;
  if (!plan.shared) {
    await makeRootCopy(rootCopy, image, owner, signal);
    return { plan, disks: [{ path: rootCopy, format, readOnly: false }] };
  }
  const shared: DiskSpec = { path: image, format, readOnly: true };
  if (!plan.stateDisk) return { plan, disks: [shared] };
  await makeStateDisk(stateDisk, vmResources(vm).diskMib, owner, signal);
  return {
    plan,
    disks: [shared, { path: stateDisk, format: "raw", readOnly: false }],
  };
}

function vmOwner({ uidBase }: VmDeps, { id }: Vm): Owner | undefined {
  return uidBase === undefined
    ? undefined
    : { uid: uidBase + id, gid: uidBase + id };
}

async function bootSpec(
  deps: VmDeps,
  vm: Vm,
  root: Root | undefined,
  network: Attachment,
): Promise<BootSpec> {
  const { manifest } = vm.config;
  const dirs = vmDirs(deps.folders, vm.id);
  const runAs = vmOwner(deps, vm);
  const config = bootConfig(
    vm,
    await deps.hypervisor.ports(),
    network,
    root && rootDevice(root.plan, ROOT_DEVICES),
  );
  if (config !== undefined) {
    await writeFileAtomic(dirs.run.bootConfig, encodeBootConfig(config));
    if (runAs) await Deno.chown(dirs.run.bootConfig, runAs.uid, runAs.gid);
    step("start:boot-config-written");
  }
  const { vcpus, memoryMib } = vmResources(vm);
  const { initramfs } = vm.artifacts;
  const spec: BootSpec = {
    name: vm.name,
    runDir: dirs.run.path,
    logDir: dirs.logDir,
    kernelPath: vm.config.kernel_override ??
      // The other one knows fewer file systems; of two initramfs the given
      // one is unpacked over the kernel's own.
      (root === undefined ? deps.kernels.initramfs : deps.kernels.rootfs),
    kernelArgs: [],
    ...(initramfs && { initramfsPath: deps.artifacts.path(initramfs) }),
    vcpus,
    memoryMib,
    disks: [
      ...(config === undefined ? [] : [{
        path: dirs.run.bootConfig,
        format: "raw",
        readOnly: true,
      }] as const),
      ...root?.disks ?? [],
    ],
    ...(network.nic && { nic: network.nic }),
    hasShim: hasShim(manifest),
    ...(runAs && { runAs }),
    graceMs: graceMs(vm),
  };
  const taken = (await deps.hypervisor.commandLine(spec)).length +
    deps.hypervisor.commandLineExtra(spec);
  return {
    ...spec,
    kernelArgs: kernelArgs(vm, {
      withBootConfig: config !== undefined,
      root: root?.plan,
      encodedManifest: manifestWord(manifest),
      taken,
    }),
  };
}
