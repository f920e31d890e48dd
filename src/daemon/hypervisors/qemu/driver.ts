/**
 * QEMU: the machine for hosts without Cloud Hypervisor, and, emulating, for
 * hosts without KVM.
 *
 * @module
 */

import { Fault } from "../../../lib/fault.ts";
import { removeIfThere } from "../../../lib/files.ts";
import { launchMonitor } from "../../machines/monitored_machine.ts";
import { runDirAt } from "../../machines/run_dir.ts";
import type {
  BootSpec,
  GuestPorts,
  Hypervisor,
  HypervisorInfo,
  Machine,
} from "../hypervisor.ts";
import {
  DESCRIPTORS,
  qemuCommand,
  qemuCommandLine,
  type QemuHost,
} from "./command.ts";
import type { MachineModel } from "./machine_model.ts";
import { MACHINE_MODELS, type QemuMachine } from "./machine_models.ts";
import { checkPvhKernel } from "./pvh_kernel.ts";

export interface QemuOptions {
  readonly monitorPath: string;
  readonly machine: QemuMachine;
  /** Finds QEMU; throws `hypervisor-unavailable`. */
  readonly find: () => Promise<{ path: string; version: string }>;
  /** Whether a guest really boots on this host's KVM; asked once. */
  readonly kvmWorks: (qemuPath: string) => Promise<boolean>;
  /** Measures the host's time stamp counter; asked once. */
  readonly tscKhz: () => Promise<number>;
}

export function qemuHypervisor(options: QemuOptions): Hypervisor {
  return new Qemu(options);
}

class Qemu implements Hypervisor {
  readonly name = "qemu";
  readonly #options: QemuOptions;
  #probed: Promise<QemuHost & { readonly version: string }> | undefined;

  constructor(options: QemuOptions) {
    this.#options = options;
  }

  get #model(): MachineModel {
    return MACHINE_MODELS[this.#options.machine];
  }

  async probe(): Promise<HypervisorInfo> {
    const { version, accelerator, path } = await this.#host();
    const { machine } = this.#options;
    return { name: this.name, version, machine, accelerator, path };
  }

  checkKernel(path: string): Promise<void> {
    return checkPvhKernel(path);
  }

  ports(): Promise<GuestPorts> {
    return Promise.resolve(this.#model.ports);
  }

  async commandLine(spec: BootSpec): Promise<string> {
    return qemuCommandLine(await this.#host(), spec);
  }

  commandLineExtra({ disks, nic }: BootSpec): number {
    const count = disks.length + (nic === undefined ? 0 : 1);
    return count * this.#model.deviceWordBytes;
  }

  async launch(spec: BootSpec, signal: AbortSignal): Promise<Machine> {
    const host = await this.#host();
    await checkPvhKernel(spec.kernelPath);
    const { console, control, output, network, companion } = DESCRIPTORS;
    const run = runDirAt(spec.runDir);
    try {
      return await launchMonitor(this.#options.monitorPath, run, {
        command: qemuCommand(host, spec),
        // QEMU writes temporary files nowhere; nothing of ours is its business.
        env: { PATH: "/usr/bin:/bin", TMPDIR: spec.runDir },
        streams: {
          console,
          output,
          ...(spec.hasShim ? { control } : {}),
        },
        ...(spec.nic?.kind === "stream" && {
          companion: {
            command: spec.nic.companion(companion),
            link: { vmm: network, companion },
          },
        }),
        ...(spec.nic?.kind === "tap" && {
          tap: { vmm: network, name: spec.nic.tapName },
        }),
        ...(spec.runAs && {
          runAs: { ...spec.runAs, groups: await kvmGroup(host) },
        }),
        logDir: spec.logDir,
        graceMs: spec.graceMs,
      }, signal);
    } finally {
      // It was read; the environment of the VMM is nobody's business after.
      await removeIfThere(run.monitorConf);
    }
  }

  /** Probed once that worked; a host without QEMU is asked again each time. */
  #host(): Promise<QemuHost & { readonly version: string }> {
    this.#probed ??= this.#probeHost();
    this.#probed.catch(() => this.#probed = undefined);
    return this.#probed;
  }

  async #probeHost(): Promise<QemuHost & { readonly version: string }> {
    const { path, version } = await this.#options.find();
    const kvm = await this.#options.kvmWorks(path);
    const tscKhz = kvm ? 0 : await this.#options.tscKhz();
    return {
      path,
      version,
      accelerator: kvm ? "kvm" : "tcg",
      model: this.#model,
      tscKhz,
    };
  }
}

/** A VMM that is not root needs the group that owns /dev/kvm. */
async function kvmGroup(host: QemuHost): Promise<number[]> {
  if (host.accelerator !== "kvm") return [];
  const { gid } = await Deno.stat("/dev/kvm");
  if (gid === null) {
    throw new Fault("bug", `Cannot tell the group of "/dev/kvm"`);
  }
  return [gid];
}
