/**
 * From what a client asks for to what a VM is made of: the manifest it sent, or
 * that of the plugin it names.
 *
 * @module
 */

import type { CreateVmInput, VmConfig } from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import { checkManifest } from "../../manifest/parse.ts";
import type { PluginRegistry } from "./registry.ts";

/**
 * Throws `invalid-input` when there is neither manifest nor plugin or they
 * contradict each other, `invalid-manifest`, `plugin-not-found`,
 * `plugin-disabled`.
 */
export function resolveCreate(
  plugins: Pick<PluginRegistry, "manifestFor">,
  input: CreateVmInput,
): CreateVmInput & { readonly config: VmConfig } {
  const { name, config = {} } = input;
  const { plugin: _, ...own } = config;
  const plugin = pluginOf(input);
  if (config.manifest !== undefined) {
    const manifest = checkManifest(config.manifest, "config.manifest");
    if (plugin !== undefined && !isSame(plugin, manifest.name)) {
      throw mismatch(input, plugin, manifest.name);
    }
    return { ...input, config: { ...own, manifest } };
  }
  if (plugin === undefined) {
    throw new Fault(
      "invalid-input",
      `Cannot create VM "${name}": config.manifest is missing, and so is plugin`,
      { hint: "Name an installed plugin, or send a manifest" },
    );
  }
  const manifest = plugins.manifestFor(name, plugin);
  return { ...input, config: { ...own, plugin, manifest } };
}

/** Said twice, it must be the same; what stands in `config` counts. */
function pluginOf(input: CreateVmInput): string | undefined {
  const inside = input.config?.plugin;
  const { plugin = inside } = input;
  if (inside === undefined || plugin === undefined) return plugin;
  if (!isSame(plugin, inside)) throw mismatch(input, plugin, inside);
  return inside;
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function mismatch({ name }: CreateVmInput, one: string, other: string): Fault {
  return new Fault(
    "invalid-input",
    `Cannot create VM "${name}": it names plugin "${one}" and plugin "${other}"`,
    { hint: "Name one plugin only" },
  );
}
