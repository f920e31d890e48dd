/**
 * Schemas of the virtual machine endpoints; `vms.ts` has their types.
 *
 * @module
 */

import { z } from "zod";
import { NETWORK_MODES, RESTART_POLICIES } from "../manifest/manifest.ts";
import { PLUGIN_NAME_REGEXP, VM_NAME_REGEXP } from "../manifest/values.ts";
import {
  type EndpointSchema,
  queryBoolean,
  queryNumber,
} from "./endpoint_schema.ts";
import { VM_STATUSES } from "./vms.ts";

const SECONDS_MAX = 24 * 3600;

/** In a path any word may stand; one that is no name is simply not found. */
const params = z.strictObject({
  name: z.string().meta({ description: "Name of the VM" }),
});

const vmName = z.string().regex(
  VM_NAME_REGEXP,
  "must be a DNS label of a-z, 0-9 and '-' that starts with a letter",
).meta({ description: "Name of the VM", examples: ["web-1"] });

const pluginName = z.string().regex(PLUGIN_NAME_REGEXP, "must be a name")
  .meta({ description: "Name of an installed plugin", examples: ["web"] });

const port = z.int().min(1).max(65535);

const publishedPort = z.strictObject({
  host_ip: z.ipv4().optional(),
  host_port: z.int().min(0).max(65535),
  port,
  protocol: z.enum(["tcp", "udp"]).optional(),
  // The original's words; they say nothing here.
  name: z.string().optional(),
  mode: z.string().optional(),
});

const resources = z.strictObject({
  cpu_cores: z.int().min(1).optional(),
  memory_mb: z.int().min(1).optional(),
  disk_mb: z.int().min(16).max(16_777_216).optional(),
});

const noNul = z.string().regex(/^[^\0]*$/, "must not hold a NUL");

const kernelWords = z.string().max(1024)
  // deno-lint-ignore no-control-regex
  .regex(/^[^\x00-\x1f\x7f]*$/, "must be one line of plain words");

const config = z.strictObject({
  plugin: pluginName.optional(),
  manifest: z.record(z.string(), z.unknown()).optional().meta({
    description:
      "A manifest, as docs/reference/manifest.md says; that of the plugin when absent",
  }),
  resources: resources.optional(),
  network: z.strictObject({
    mode: z.enum(NETWORK_MODES).optional(),
    ip: z.ipv4().optional(),
    isolated: z.boolean().optional(),
  }).optional(),
  expose: z.array(publishedPort).max(256).optional(),
  env: z.record(z.string().regex(/^[^=\0]+$/, "must not hold '='"), noNul)
    .optional(),
  restart: z.enum(RESTART_POLICIES).optional(),
  ephemeral: z.boolean().optional(),
  auto_remove: z.boolean().optional(),
  kernel_cmdline: kernelWords.optional(),
  kernel_override: z.string().startsWith("/", "must be an absolute path")
    .optional(),
  manifest_on_cmdline: z.boolean().optional(),
});

const waiting = {
  wait: z.enum(["none", "running", "healthy"]).optional(),
  timeout: queryNumber(1, SECONDS_MAX).optional(),
};

const stopping = {
  grace: queryNumber(0, SECONDS_MAX).optional(),
  kill: queryBoolean.optional(),
};

const bootView = z.object({
  requested_at: z.string(),
  vmm_ms: z.number().optional(),
  kernel_ms: z.number().optional(),
  workload_ms: z.number().optional(),
  healthy_ms: z.number().optional(),
});

const exitView = z.object({
  cause: z.string(),
  status: z.int().optional(),
  forced: z.boolean(),
  detail: z.string().optional(),
  at: z.string(),
});

export const vmViewSchema = z.object({
  id: z.int(),
  name: z.string(),
  status: z.enum(VM_STATUSES),
  runtime: z.string(),
  plugin: z.string().optional(),
  pid: z.int().optional(),
  ip_address: z.string(),
  mac_address: z.string(),
  cpu_cores: z.int(),
  memory_mb: z.int(),
  kernel_cmdline: z.string(),
  serial_socket: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  hypervisor: z.string(),
  network: z.enum(NETWORK_MODES),
  expose: z.array(publishedPort),
  restarts: z.int(),
  wanted: z.enum(["running", "stopped"]),
  machine_restarts: z.int(),
  restarting_at: z.string().optional(),
  health: z.enum(["none", "starting", "healthy", "unhealthy"]),
  boot: bootView.optional(),
  exit: exitView.optional(),
}).meta({ id: "Vm" });

export const listVmsSchema: EndpointSchema = {
  query: z.strictObject({
    status: z.string().optional(),
    runtime: z.string().optional(),
    plugin: z.string().optional(),
    q: z.string().optional(),
    limit: queryNumber(0, 1_000_000).optional(),
    offset: queryNumber(0, 1_000_000_000).optional(),
    sort: z.enum(["name", "status", "runtime", "created_at", "updated_at"])
      .optional(),
    order: z.enum(["asc", "desc"]).optional(),
  }),
  reply: z.array(vmViewSchema),
};

export const createVmSchema: EndpointSchema = {
  query: z.strictObject(waiting),
  body: z.strictObject({
    name: vmName,
    config: config.optional(),
    plugin: pluginName.optional(),
    cpu_cores: z.int().min(1).optional(),
    memory_mb: z.int().min(1).optional(),
    runtime: z.string().regex(PLUGIN_NAME_REGEXP, "must be a name").optional(),
    kernel_cmdline: kernelWords.optional(),
    start: z.boolean().optional(),
  }),
  reply: vmViewSchema,
};

export const getVmSchema: EndpointSchema = { params, reply: vmViewSchema };

export const deleteVmSchema: EndpointSchema = {
  params,
  query: z.strictObject({ force: queryBoolean.optional() }),
};

export const startVmSchema: EndpointSchema = {
  params,
  query: z.strictObject(waiting),
  reply: vmViewSchema,
};

export const stopVmSchema: EndpointSchema = {
  params,
  query: z.strictObject(stopping),
  reply: vmViewSchema,
};

export const restartVmSchema: EndpointSchema = {
  params,
  query: z.strictObject({ ...stopping, ...waiting }),
  reply: vmViewSchema,
};

export const waitVmSchema: EndpointSchema = {
  params,
  query: z.strictObject({
    for: z.enum(["running", "healthy", "stopped"]).optional(),
    timeout: queryNumber(1, SECONDS_MAX).optional(),
  }),
  reply: vmViewSchema,
};

export const logsVmSchema: EndpointSchema = {
  params,
  query: z.strictObject({
    follow: queryBoolean.optional(),
    tail: queryNumber(0, 100_000).optional(),
    source: z.enum(["workload", "console", "vmm"]).optional(),
  }),
  reply: z.object({
    timestamp: z.string(),
    stream: z.enum(["stdout", "stderr"]),
    line: z.string(),
  }).meta({ id: "LogLine" }),
};
