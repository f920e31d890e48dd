/**
 * Serves the virtual machine endpoints.
 *
 * @module
 */

import {
  createVm,
  deleteVm,
  getVm,
  listVms,
  type ListVmsInput,
  restartVm,
  startVm,
  stopVm,
  type VmView,
  waitVm,
} from "../../api/vms.ts";
import {
  createVmSchema,
  deleteVmSchema,
  getVmSchema,
  listVmsSchema,
  restartVmSchema,
  startVmSchema,
  stopVmSchema,
  waitVmSchema,
} from "../../api/vms_schema.ts";
import type { PluginRegistry } from "../plugins/registry.ts";
import { resolveCreate } from "../plugins/resolve_create.ts";
import type { VmService } from "../vm/service.ts";
import { vmView } from "../vm/view.ts";
import type { Vm } from "../vm/vm.ts";
import { type Route, route } from "./route.ts";

export function vmRoutes(
  vms: VmService,
  plugins: PluginRegistry,
): Route[] {
  const view = (vm: Vm) => vmView(vm, vms.live(vm));
  return [
    route(listVms, listVmsSchema, (input, context) => {
      const all = vms.list().filter((vm) => isOfPlugin(vm, input.plugin));
      const { page, total } = select(all.map(view), input);
      context.header("X-Total-Count", String(total));
      return page;
    }),
    route(createVm, createVmSchema, async (input) => {
      return view(await vms.create(resolveCreate(plugins, input)));
    }),
    route(getVm, getVmSchema, ({ name }) => view(vms.get(name))),
    route(deleteVm, deleteVmSchema, ({ name, force = true }) => {
      return vms.delete(name, force);
    }),
    route(startVm, startVmSchema, async ({ name, ...waiting }) => {
      return view(await vms.start(name, waiting));
    }),
    route(stopVm, stopVmSchema, async (input) => view(await vms.stop(input))),
    route(restartVm, restartVmSchema, async (input) => {
      return view(await vms.restart(input));
    }),
    route(waitVm, waitVmSchema, async (input) => view(await vms.wait(input))),
  ];
}

/** Of a VM whose manifest was sent with the request, the manifest's name counts. */
function isOfPlugin({ config }: Vm, plugin: string | undefined): boolean {
  return plugin === undefined || config.plugin === plugin ||
    config.manifest.name === plugin;
}

/** Filters, sorts and cuts a list; exported for its test. */
export function select(
  all: readonly VmView[],
  input: ListVmsInput,
): { readonly page: readonly VmView[]; readonly total: number } {
  const { runtime, q, sort = "created_at", order = "asc" } = input;
  const statuses = input.status?.toLowerCase().split(",") ?? [];
  const found = all.filter((vm) =>
    (statuses.length === 0 || statuses.includes(vm.status)) &&
    (runtime === undefined ||
      vm.runtime.toLowerCase() === runtime.toLowerCase()) &&
    (q === undefined ||
      [vm.name, vm.ip_address, vm.runtime].some((word) => word.includes(q)))
  );
  const sign = order === "asc" ? 1 : -1;
  found.sort((a, b) =>
    sign * (compare(a[sort], b[sort]) || compare(a.id, b.id))
  );
  const { offset = 0, limit = found.length } = input;
  return { page: found.slice(offset, offset + limit), total: found.length };
}

function compare<T extends string | number>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
