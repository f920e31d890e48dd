/**
 * Who is put to the test: one entry for each driver and each way it can be set
 * up. A new driver is one entry here; what it must do stands in `behaviours.ts`.
 */

export interface Subject {
  readonly name: string;
  /** Words of `volant daemon`, as variables of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What `volant system info` must say of it. */
  readonly hypervisor: {
    readonly name: string;
    readonly machine?: string;
    readonly accelerator?: "kvm" | "tcg";
  };
}

/** On any host. */
export const SUBJECTS: readonly Subject[] = [
  {
    name: "qemu, microvm",
    env: { VOLANT_QEMU_MACHINE: "microvm" },
    hypervisor: { name: "qemu", machine: "microvm" },
  },
  {
    name: "qemu, q35",
    env: { VOLANT_QEMU_MACHINE: "q35" },
    hypervisor: { name: "qemu", machine: "q35" },
  },
  {
    name: "simulated",
    env: { VOLANT_HYPERVISOR: "simulated" },
    hypervisor: { name: "simulated" },
  },
];

/** On a host whose KVM works, such as the emulated one. */
export const KVM_SUBJECTS: readonly Subject[] = [
  {
    name: "qemu, microvm, with KVM",
    env: { VOLANT_QEMU_MACHINE: "microvm" },
    hypervisor: { name: "qemu", machine: "microvm", accelerator: "kvm" },
  },
  {
    name: "qemu, q35, with KVM",
    env: { VOLANT_QEMU_MACHINE: "q35" },
    hypervisor: { name: "qemu", machine: "q35", accelerator: "kvm" },
  },
];
