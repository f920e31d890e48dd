/**
 * What Volant asks of a hypervisor, and nothing more.
 *
 * A driver turns a `BootSpec` into a running machine, a VMM process under its
 * monitor, and hands back a `Machine`. It keeps no state of its own: everything
 * needed to find a machine again after a daemon restart lies in its run
 * directory. Drivers know nothing of manifests, addresses or the database.
 *
 * To add one: a folder beside this file with a `driver.ts`, one line in
 * `registry.ts`, and one entry in `tests/conformance/subject.ts`: the suite
 * there is its proof (docs/conformance.md).
 *
 * @module
 */

import type { MachineState } from "../machines/machine_state.ts";

export interface DiskSpec {
  readonly path: string;
  /** Never guessed: a guest could write another format's magic. */
  readonly format: "raw" | "qcow2";
  readonly readOnly: boolean;
}

/**
 * A network interface. `stream`: a companion program beside the VMM speaks
 * Ethernet frames, each with its length before it, on a descriptor whose number
 * it is told. `tap`: a TAP device that exists; the monitor opens it for the VMM.
 */
export type NicSpec =
  | {
    readonly kind: "stream";
    readonly mac: string;
    readonly companion: (descriptor: number) => readonly string[];
  }
  | {
    readonly kind: "tap";
    readonly mac: string;
    readonly tapName: string;
  };

/** Everything a hypervisor needs to know to boot one guest. */
export interface BootSpec {
  /** Named in `ps`; no meaning otherwise. */
  readonly name: string;
  readonly runDir: string;
  readonly logDir: string;
  /** Uncompressed ELF with a PVH entry. */
  readonly kernelPath: string;
  /** Words for the guest; the driver adds those of its device model before. */
  readonly kernelArgs: readonly string[];
  readonly initramfsPath?: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** In the order the guest sees them: vda, vdb, ... */
  readonly disks: readonly DiskSpec[];
  readonly nic?: NicSpec;
  /** Whether the shim is PID 1, and so the control port is served. */
  readonly hasShim: boolean;
  /** Whom the VMM runs as; absent: as the daemon. */
  readonly runAs?: {
    readonly uid: number;
    readonly gid: number;
  };
  readonly graceMs: number;
}

/** Where the guest finds the ports that the driver gives it. */
export interface GuestPorts {
  /** As the boot config's `control`. */
  readonly control: string;
  /** As the boot config's `output`. */
  readonly output: string;
  /** How the guest ends the machine. */
  readonly off: "reset" | "poweroff";
}

export interface HypervisorInfo {
  readonly name: string;
  readonly version: string;
  /** What kind of machine the guest sees, where the driver has several. */
  readonly machine?: string;
  /** `none`: no guest is run at all. */
  readonly accelerator: "kvm" | "tcg" | "none";
  readonly path: string;
}

export interface Hypervisor {
  readonly name: string;

  /** Checks that this host can run it; throws `hypervisor-unavailable` if not. */
  probe(): Promise<HypervisorInfo>;

  /** Throws `file-not-found` or `invalid-kernel` for a kernel it cannot boot. */
  checkKernel(path: string): Promise<void>;

  /** What the boot config has to say of this hypervisor's devices. */
  ports(): Promise<GuestPorts>;

  /** The kernel command line a boot of `spec` is given. */
  commandLine(spec: BootSpec): Promise<string>;

  /** Bytes the VMM adds to that line itself, to name its devices. */
  commandLineExtra(spec: BootSpec): number;

  /** Starts a machine; resolves once its VMM was executed. Throws `boot-failed`. */
  launch(spec: BootSpec, signal: AbortSignal): Promise<Machine>;
}

/**
 * One running machine. Disposing of the handle lets go of it, the machine runs
 * on; `kill()` ends it.
 */
export interface Machine extends Disposable {
  /** The latest that is known; never older than what `next` gave. */
  readonly state: MachineState;

  /** Resolves with the last state once VMM and monitor are gone. */
  readonly ended: Promise<MachineState>;

  /** Each state from now on; returns after the last. */
  states(): AsyncGenerator<MachineState, void, void>;

  /**
   * Asks the guest to end and returns at once; await `ended`. After the grace,
   * and some seconds for the power-off, the monitor ends the VMM.
   */
  stop(graceMs: number): Promise<void>;

  /** Ends the VMM at once, whatever the guest does; await `ended`. */
  kill(): Promise<void>;

  /** The serial console, both ways, after its last lines. */
  console(): Promise<Deno.Conn>;

  /**
   * Has it stand still until the hold is released or disposed of, this process
   * ends, or `longestMs` went by; undefined when it is ending.
   */
  hold(longestMs: number): Promise<Hold | undefined>;
}

export interface Hold extends Disposable {
  /** Lets it go on; whether it stood still all the time. */
  release(): Promise<boolean>;
}
