/**
 * The endpoints of plugins: manifests that VMs can be created from by name.
 *
 * Paths and fields are those of the first Volant; what is new stands beside
 * them.
 *
 * @module
 */

import type { Manifest } from "../manifest/manifest.ts";
import { endpoint } from "./endpoint.ts";

export interface PluginView {
  readonly name: string;
  readonly version: string;
  readonly runtime: string;
  readonly enabled: boolean;
  /** Which file it is (`initramfs`, `rootfs`, `disk:NAME`) to its digest. */
  readonly artifacts: Readonly<Record<string, string>>;
  /** Names of the VMs that were created from it. */
  readonly vms: readonly string[];
  readonly installed_at: string;
  readonly updated_at: string;
}

export interface PluginList {
  /** Their names, sorted. */
  readonly plugins: readonly string[];
  readonly items: readonly PluginView[];
}

export interface InstalledView extends PluginView {
  /** Version of the one that was installed under this name before. */
  readonly replaced?: string;
}

/** Fields of a path that names a plugin. */
interface Named {
  readonly plugin: string;
}

export const listPlugins = endpoint<Record<never, never>, PluginList>({
  id: "listPlugins",
  method: "GET",
  path: "/api/v1/plugins",
  tag: "Plugins",
  summary: "List the installed plugins",
  status: 200,
  faults: [],
});

export const installPlugin = endpoint<Manifest, InstalledView>({
  id: "installPlugin",
  method: "POST",
  path: "/api/v1/plugins",
  tag: "Plugins",
  summary:
    "Install a manifest, in the place of the plugin of its name, once its files are fetched and verified",
  status: 201,
  faults: [
    "invalid-manifest",
    "file-not-found",
    "checksum-mismatch",
    "download-failed",
    "disk-full",
    "disk-read-only",
    "disk-failed",
  ],
});

export const getPlugin = endpoint<Named, Manifest>({
  id: "getPlugin",
  method: "GET",
  path: "/api/v1/plugins/:plugin",
  tag: "Plugins",
  summary: "Show the manifest of a plugin, its files named by digest",
  status: 200,
  faults: ["plugin-not-found"],
});

export const getPluginManifest = endpoint<Named, Manifest>({
  id: "getPluginManifest",
  method: "GET",
  path: "/api/v1/plugins/:plugin/manifest",
  tag: "Plugins",
  summary: "Show the manifest of a plugin that is enabled",
  status: 200,
  faults: ["plugin-not-found", "plugin-disabled"],
});

export const deletePlugin = endpoint<Named, void>({
  id: "deletePlugin",
  method: "DELETE",
  path: "/api/v1/plugins/:plugin",
  tag: "Plugins",
  summary: "Remove a plugin; VMs of it run on, and X-Volant-VMs names them",
  status: 204,
  faults: ["plugin-not-found"],
});

export const setPluginEnabled = endpoint<
  Named & { readonly enabled: boolean },
  PluginView
>({
  id: "setPluginEnabled",
  method: "POST",
  path: "/api/v1/plugins/:plugin/enabled",
  tag: "Plugins",
  summary: "Say whether VMs may be created from a plugin",
  status: 200,
  faults: ["plugin-not-found"],
});
