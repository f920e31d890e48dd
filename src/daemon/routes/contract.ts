/**
 * Every endpoint with its schema: what is served, and what is documented. A
 * test asks a daemon for each of them.
 *
 * @module
 */

import { createBackup } from "../../api/backups.ts";
import { createBackupSchema } from "../../api/backups_schema.ts";
import type { Endpoint } from "../../api/endpoint.ts";
import type { EndpointSchema } from "../../api/endpoint_schema.ts";
import { vmEvents } from "../../api/events.ts";
import * as plugins from "../../api/plugins.ts";
import * as pluginSchemas from "../../api/plugins_schema.ts";
import { getHealth, getInfo, getStatus, getSummary } from "../../api/system.ts";
import {
  healthSchema,
  infoSchema,
  summarySchema,
  vmEventsSchema,
} from "../../api/system_schema.ts";
import * as vms from "../../api/vms.ts";
import * as schemas from "../../api/vms_schema.ts";

export interface Contract {
  readonly endpoint: Endpoint;
  readonly schema: EndpointSchema;
}

export const CONTRACT: readonly Contract[] = [
  { endpoint: vms.listVms, schema: schemas.listVmsSchema },
  { endpoint: vms.createVm, schema: schemas.createVmSchema },
  { endpoint: vms.getVm, schema: schemas.getVmSchema },
  { endpoint: vms.deleteVm, schema: schemas.deleteVmSchema },
  { endpoint: vms.startVm, schema: schemas.startVmSchema },
  { endpoint: vms.stopVm, schema: schemas.stopVmSchema },
  { endpoint: vms.restartVm, schema: schemas.restartVmSchema },
  { endpoint: vms.waitVm, schema: schemas.waitVmSchema },
  { endpoint: vms.logsVm, schema: schemas.logsVmSchema },
  { endpoint: plugins.listPlugins, schema: pluginSchemas.listPluginsSchema },
  {
    endpoint: plugins.installPlugin,
    schema: pluginSchemas.installPluginSchema,
  },
  { endpoint: plugins.getPlugin, schema: pluginSchemas.getPluginSchema },
  {
    endpoint: plugins.getPluginManifest,
    schema: pluginSchemas.getPluginSchema,
  },
  { endpoint: plugins.deletePlugin, schema: pluginSchemas.deletePluginSchema },
  {
    endpoint: plugins.setPluginEnabled,
    schema: pluginSchemas.setPluginEnabledSchema,
  },
  { endpoint: vmEvents, schema: vmEventsSchema },
  { endpoint: createBackup, schema: createBackupSchema },
  { endpoint: getHealth, schema: healthSchema },
  { endpoint: getStatus, schema: healthSchema },
  { endpoint: getInfo, schema: infoSchema },
  { endpoint: getSummary, schema: summarySchema },
];
