/**
 * Schemas of the plugin endpoints; `plugins.ts` has their types. A manifest is
 * checked by its own parser, which knows the older spellings.
 *
 * @module
 */

import { z } from "zod";
import type { EndpointSchema } from "./endpoint_schema.ts";

/** In a path any word may stand; one that is no name is simply not found. */
const params = z.strictObject({
  plugin: z.string().meta({ description: "Name of the plugin" }),
});

const pluginView = z.object({
  name: z.string(),
  version: z.string(),
  runtime: z.string(),
  enabled: z.boolean(),
  artifacts: z.record(z.string(), z.string()),
  vms: z.array(z.string()),
  installed_at: z.string(),
  updated_at: z.string(),
});

const pluginViewSchema = pluginView.meta({ id: "Plugin" });

const manifest = z.looseObject({}).meta({
  id: "Manifest",
  description: "A manifest, as docs/reference/manifest.md says",
});

export const listPluginsSchema: EndpointSchema = {
  reply: z.object({
    plugins: z.array(z.string()),
    items: z.array(pluginView),
  }),
};

export const installPluginSchema: EndpointSchema = {
  body: z.looseObject({}).meta({
    description: "A manifest, as docs/reference/manifest.md says",
  }),
  reply: pluginView.extend({ replaced: z.string().optional() })
    .meta({ id: "InstalledPlugin" }),
};

export const getPluginSchema: EndpointSchema = { params, reply: manifest };

export const deletePluginSchema: EndpointSchema = { params };

export const setPluginEnabledSchema: EndpointSchema = {
  params,
  body: z.strictObject({
    enabled: z.boolean().meta({ description: "Whether VMs may use it" }),
  }),
  reply: pluginViewSchema,
};
