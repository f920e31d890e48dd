/**
 * A VM as the API shows it.
 *
 * @module
 */

import type { VmView } from "../../api/vms.ts";
import { vmResources } from "./boot_plan.ts";
import type { Live } from "./keeper.ts";
import { asItIs } from "./observed.ts";
import type { Vm } from "./vm.ts";

export function vmView(recorded: Vm, live: Live | undefined): VmView {
  const state = live?.machine.state;
  const vm = asItIs(recorded, state);
  const { vcpus, memoryMib } = vmResources(vm);
  return {
    id: vm.id,
    name: vm.name,
    status: vm.status,
    runtime: vm.config.manifest.runtime,
    ...(vm.config.plugin !== undefined && { plugin: vm.config.plugin }),
    ...(state?.vmm && { pid: state.vmm.pid }),
    ip_address: vm.lease.ip,
    mac_address: vm.lease.mac,
    cpu_cores: vcpus,
    memory_mb: memoryMib,
    kernel_cmdline: vm.kernelCmdline,
    // The console is the monitor's; it is reached through the API.
    serial_socket: "",
    created_at: vm.createdAt,
    updated_at: vm.updatedAt,
    hypervisor: vm.hypervisor,
    network: vm.lease.mode,
    expose: vm.lease.publish,
    restarts: state?.restarts ?? 0,
    wanted: vm.wanted,
    machine_restarts: vm.restarts,
    ...(vm.restartAt && { restarting_at: vm.restartAt }),
    health: live?.health ?? "none",
    ...(vm.boot && { boot: vm.boot }),
    ...(vm.exit && { exit: vm.exit }),
  };
}
