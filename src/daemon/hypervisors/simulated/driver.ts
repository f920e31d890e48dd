/**
 * A hypervisor without guests: in the place of QEMU the monitor starts a small
 * program that plays one (docs/simulated.md). All else is as it is with real
 * machines, so the daemon can be tried with a thousand of them, and with some
 * that hang, lie and die. It isolates nothing and runs no workload, and is had
 * only by asking for it by name.
 *
 * @module
 */

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
import { checkPvhKernel } from "../qemu/pvh_kernel.ts";
import {
  DESCRIPTORS,
  simulatedCommand,
  simulatedCommandLine,
} from "./command.ts";

export interface SimulatedOptions {
  readonly monitorPath: string;
  readonly simulatedPath: string;
  /** It is part of Volant, and so has its version. */
  readonly version: string;
}

export function simulatedHypervisor(options: SimulatedOptions): Hypervisor {
  return new Simulated(options);
}

class Simulated implements Hypervisor {
  readonly name = "simulated";
  readonly #options: SimulatedOptions;

  constructor(options: SimulatedOptions) {
    this.#options = options;
  }

  probe(): Promise<HypervisorInfo> {
    const { version, simulatedPath: path } = this.#options;
    return Promise.resolve({
      name: this.name,
      version,
      accelerator: "none",
      path,
    });
  }

  checkKernel(path: string): Promise<void> {
    return checkPvhKernel(path);
  }

  ports(): Promise<GuestPorts> {
    return Promise.resolve({
      control: "/dev/ttyS1",
      output: "/dev/ttyS2",
      off: "reset",
    });
  }

  commandLine(spec: BootSpec): Promise<string> {
    return Promise.resolve(simulatedCommandLine(spec));
  }

  commandLineExtra(): number {
    return 0;
  }

  async launch(spec: BootSpec, signal: AbortSignal): Promise<Machine> {
    await checkPvhKernel(spec.kernelPath);
    const { monitorPath, simulatedPath } = this.#options;
    const { console, control, output, network, companion } = DESCRIPTORS;
    const run = runDirAt(spec.runDir);
    try {
      return await launchMonitor(monitorPath, run, {
        command: simulatedCommand(simulatedPath, spec),
        env: {},
        streams: { console, output, ...(spec.hasShim ? { control } : {}) },
        ...(spec.nic?.kind === "stream" && {
          companion: {
            command: spec.nic.companion(companion),
            link: { vmm: network, companion },
          },
        }),
        ...(spec.nic?.kind === "tap" && {
          tap: { vmm: network, name: spec.nic.tapName },
        }),
        ...(spec.runAs && { runAs: { ...spec.runAs, groups: [] } }),
        logDir: spec.logDir,
        graceMs: spec.graceMs,
      }, signal);
    } finally {
      // It was read, and is nobody's business after.
      await removeIfThere(run.monitorConf);
    }
  }
}
