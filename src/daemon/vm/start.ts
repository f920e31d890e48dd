/**
 * Starting a machine for a VM.
 *
 * @module
 */

import { encodeBootConfig } from "../../guest/boot_config.ts";
import { removeIfThere, writeFileAtomic } from "../../lib/files.ts";
import type { BootSpec, Machine } from "../hypervisors/hypervisor.ts";
import type { Attachment } from "../networks/network.ts";
import { admitMemory } from "./admission.ts";
import {
  bootConfig,
  graceMs,
  hasShim,
  kernelArgs,
  vmResources,
} from "./boot_plan.ts";
import type { VmDeps } from "./deps.ts";
import { manifestWord } from "./manifest_word.ts";
import type { Vm } from "./vm.ts";
import { makeVmDirs, vmDirs } from "./vm_dirs.ts";

export interface Launched {
  readonly machine: Machine;
  readonly kernelCmdline: string;
}

/**
 * Starts the machine of `vm` and hands it back running.
 *
 * Each step puts what it made on `undo`; if a later step throws, leaving the
 * function takes everything down again in reverse order.
 */
export async function launchMachine(
  deps: VmDeps,
  vm: Vm,
  signal: AbortSignal,
): Promise<Launched> {
  await admitMemory(deps, vm.name, vmResources(vm).memoryMib);
  await using undo = new AsyncDisposableStack();

  const dirs = vmDirs(deps.folders, vm.id);
  undo.defer(() => removeIfThere(dirs.run.path));
  // What an earlier machine left there says nothing of this one.
  await removeIfThere(dirs.run.path);
  await makeVmDirs(dirs);

  const network = undo.use(
    await deps.networks[vm.lease.mode].attach(vm.lease),
  );
  const spec = await bootSpec(deps, vm, network);
  const kernelCmdline = await deps.hypervisor.commandLine(spec);
  const machine = undo.use(await deps.hypervisor.launch(spec, signal));

  undo.move();
  return { machine, kernelCmdline };
}

async function bootSpec(
  deps: VmDeps,
  vm: Vm,
  network: Attachment,
): Promise<BootSpec> {
  const { manifest } = vm.config;
  const dirs = vmDirs(deps.folders, vm.id);
  const uid = deps.uidBase === undefined ? undefined : deps.uidBase + vm.id;
  const config = bootConfig(vm, await deps.hypervisor.ports(), network);
  if (config !== undefined) {
    await writeFileAtomic(dirs.run.bootConfig, encodeBootConfig(config));
    if (uid !== undefined) await Deno.chown(dirs.run.bootConfig, uid, uid);
  }
  const { vcpus, memoryMib } = vmResources(vm);
  const { initramfs } = vm.artifacts;
  const spec: BootSpec = {
    name: vm.name,
    runDir: dirs.run.path,
    logDir: dirs.logDir,
    kernelPath: vm.config.kernel_override ?? deps.kernelPath,
    kernelArgs: [],
    ...(initramfs && { initramfsPath: deps.artifacts.path(initramfs) }),
    vcpus,
    memoryMib,
    disks: config === undefined
      ? []
      : [{ path: dirs.run.bootConfig, readOnly: true }],
    ...(network.nic && { nic: network.nic }),
    hasShim: hasShim(manifest),
    ...(uid !== undefined && { runAs: { uid, gid: uid } }),
    graceMs: graceMs(vm),
  };
  const taken = (await deps.hypervisor.commandLine(spec)).length +
    deps.hypervisor.commandLineExtra(spec);
  return {
    ...spec,
    kernelArgs: kernelArgs(vm, {
      withBootConfig: config !== undefined,
      encodedManifest: manifestWord(manifest),
      taken,
    }),
  };
}
