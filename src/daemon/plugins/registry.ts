/**
 * The plugins of this host: manifests that VMs can be created from by name.
 *
 * A plugin is installed once all its files are here and verified, in one write
 * to the database; until then the one before it is in force, and a daemon that
 * dies leaves one or the other. Files that nobody names any more are removed at
 * once, or when the next daemon starts. A VM keeps what it was created from,
 * whatever becomes of its plugin.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { step } from "../../lib/step.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import type { ArtifactStore, IsUsed } from "../artifacts/artifact_store.ts";
import type { PluginStore } from "../store/plugins.ts";
import type { VmStore } from "../store/vms.ts";
import {
  manifestFiles,
  type Plugin,
  type PluginArtifacts,
  withDigests,
} from "./plugin.ts";

export interface RegistryDeps {
  readonly plugins: PluginStore;
  readonly artifacts: Pick<
    ArtifactStore,
    "import" | "release" | "releaseUnused"
  >;
  readonly vms: Pick<VmStore, "list">;
  /** Whether any VM or plugin names the digest. */
  readonly isArtifactUsed: IsUsed;
}

export interface Installed {
  readonly plugin: Plugin;
  /** The one of this name that was there before. */
  readonly replaced: Plugin | undefined;
}

export class PluginRegistry {
  readonly #deps: RegistryDeps;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
  }

  list(): Plugin[] {
    return this.#deps.plugins.list();
  }

  /** Throws `plugin-not-found`. */
  get(name: string): Plugin {
    const plugin = this.#deps.plugins.find(name);
    if (plugin !== undefined) return plugin;
    throw new Fault("plugin-not-found", `Cannot find plugin "${name}"`, {
      hint: "List those there are with volant plugin list",
    });
  }

  /** Names of the VMs that were created from it, by name. */
  usersOf(name: string): string[] {
    return this.#deps.vms.list()
      .filter(({ config }) => config.plugin === name)
      .map((vm) => vm.name)
      .toSorted();
  }

  /** Takes its files in, and puts it in the place of the one of its name. */
  async install(manifest: Manifest, signal: AbortSignal): Promise<Installed> {
    const { plugins, artifacts, isArtifactUsed } = this.#deps;
    plugins.checkThere();
    const digests: Record<string, string> = {};
    await using held = new AsyncDisposableStack();
    for (const [name, file] of manifestFiles(manifest)) {
      const digest = await artifacts.import(file, signal);
      held.defer(() => artifacts.release(digest, isArtifactUsed));
      digests[name] = digest;
    }
    const { name, version, enabled } = manifest;
    const replaced = plugins.find(name);
    plugins.put({
      name,
      version,
      enabled,
      manifest: withDigests(manifest, digests),
      artifacts: digests,
    });
    step("plugins:recorded");
    await this.#releaseUnused(replaced?.artifacts);
    return { plugin: this.get(name), replaced };
  }

  /** Throws `plugin-not-found`. */
  setEnabled(name: string, enabled: boolean): Plugin {
    this.get(name);
    this.#deps.plugins.setEnabled(name, enabled);
    return this.get(name);
  }

  /** VMs that were created from it run on. Throws `plugin-not-found`. */
  async remove(name: string): Promise<void> {
    const { artifacts } = this.get(name);
    this.#deps.plugins.delete(name);
    step("plugins:row-removed");
    await this.#releaseUnused(artifacts);
  }

  /**
   * What a new VM is made from. Throws `plugin-not-found`, `plugin-disabled`,
   * which say what VMs there are of it.
   */
  manifestFor(vmName: string, pluginName: string): Manifest {
    const plugin = this.#deps.plugins.find(pluginName);
    if (plugin?.enabled) return plugin.manifest;
    const vms = this.usersOf(pluginName);
    const details = { plugin: pluginName, vms };
    const cannot = `Cannot create VM "${vmName}": plugin "${pluginName}" is`;
    if (plugin === undefined) {
      throw new Fault(
        "plugin-not-found",
        `${cannot} not installed${stillUsedBy(vms)}`,
        {
          hint:
            "Install it with volant plugin install FILE, or see volant plugin list",
          details,
        },
      );
    }
    throw new Fault(
      "plugin-disabled",
      `${cannot} disabled${stillUsedBy(vms)}`,
      {
        hint: `Enable it with volant plugin enable ${pluginName}`,
        details,
      },
    );
  }

  async #releaseUnused(artifacts: PluginArtifacts = {}): Promise<void> {
    for (const digest of new Set(Object.values(artifacts))) {
      await this.#deps.artifacts.releaseUnused(
        digest,
        this.#deps.isArtifactUsed,
      );
    }
  }
}

/** How many names a sentence lists; the details have all of them. */
const NAMES_MAX = 5;

function stillUsedBy(vms: readonly string[]): string {
  if (vms.length === 0) return "";
  const names = vms.slice(0, NAMES_MAX).map((name) => `"${name}"`).join(", ");
  const more = vms.length - NAMES_MAX;
  const all = more > 0 ? `${names} and ${more} more` : names;
  return vms.length === 1
    ? `; VM ${all} still uses it`
    : `; VMs ${all} still use it`;
}
