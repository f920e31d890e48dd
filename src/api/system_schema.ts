/**
 * Schemas of the daemon's own endpoints and of its events.
 *
 * @module
 */

import { z } from "zod";
import type { EndpointSchema } from "./endpoint_schema.ts";
import { VM_EVENTS } from "./events.ts";

export const healthSchema: EndpointSchema = {
  reply: z.object({ status: z.literal("ok") }),
};

export const infoSchema: EndpointSchema = {
  reply: z.object({
    status: z.literal("ok"),
    version: z.string(),
    api_listen_addr: z.string(),
    hypervisor: z.object({
      name: z.string(),
      version: z.string(),
      machine: z.string().optional(),
      accelerator: z.enum(["kvm", "tcg", "none"]),
    }),
    state_dir: z.string(),
    runtime_dir: z.string(),
  }),
};

export const summarySchema: EndpointSchema = {
  reply: z.object({
    total_vms: z.int(),
    by_status: z.record(z.string(), z.int()),
    by_runtime: z.record(z.string(), z.int()),
    total_plugins: z.int(),
    enabled_plugins: z.int(),
    plugins: z.array(z.object({
      name: z.string(),
      version: z.string(),
      enabled: z.boolean(),
    })),
  }),
};

export const vmEventsSchema: EndpointSchema = {
  query: z.strictObject({ vm: z.string().optional() }),
  reply: z.object({
    id: z.int(),
    type: z.enum(VM_EVENTS),
    name: z.string(),
    status: z.string(),
    ip_address: z.string().optional(),
    mac_address: z.string().optional(),
    pid: z.int().optional(),
    timestamp: z.string(),
    message: z.string(),
  }).meta({ id: "VmEvent" }),
};
