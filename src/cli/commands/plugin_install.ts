/**
 * `volant plugin install`: a manifest, from a file or a URL, under its name.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { installPlugin } from "../../api/plugins.ts";
import { Fault } from "../../lib/fault.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { type Context, Interrupted } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help } from "../flags.ts";
import { artifactWord, stillUse } from "../plugin_text.ts";
import { anyFile } from "../proposals.ts";
import { stopOnSignals } from "../signals.ts";

interface Flags extends DaemonFlags {
  readonly name?: string;
  readonly disabled?: boolean;
  readonly checksum?: string;
  readonly manifest?: string;
  readonly url?: string;
}

const SOURCE = {
  kind: "parsed",
  parse: String,
  proposeCompletions: anyFile,
  optional: true,
} as const;

export const pluginInstall = buildCommand<Flags, [string?], Context>({
  docs: help({
    brief: "Install a manifest, so that VMs can be created from it by name",
    text:
      "Its files are taken in and verified first; then it replaces the plugin of its name, if\nthere is one. VMs keep what they were created from. Relative paths and URLs of files are\nlooked for beside the manifest.",
    examples: [
      [
        "volant plugin install web.cpio.manifest.json",
        "Install what volant build wrote",
      ],
      [
        "volant plugin install https://example.com/web/manifest.json --name web2",
        "Install from a server, under another name",
      ],
      ["volant vm create a --plugin web", "Create a VM from it"],
    ],
    exits: [
      ["65", "the manifest is not valid, or a file is not the one it names"],
      ["66", "a file is not there"],
      ["69", "a file could not be fetched"],
    ],
  }),
  parameters: {
    flags: {
      ...DAEMON_FLAGS,
      name: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "NAME",
        brief: "NAME: install it under this name in place of the manifest's",
      },
      disabled: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Refuse new VMs until it is enabled",
      },
      checksum: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "SHA256",
        brief: "SHA256: of the manifest; required when it comes over http",
      },
      manifest: {
        ...SOURCE,
        placeholder: "FILE",
        brief: "FILE: another way to name the source",
      },
      url: {
        ...SOURCE,
        placeholder: "URL",
        brief: "URL: another way to name the source",
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: String,
        proposeCompletions: anyFile,
        optional: true,
        placeholder: "FILE|URL",
        brief: "The manifest, JSON or TOML; - is stdin",
      }],
    },
  },
  async func(flags, word) {
    using stop = stopOnSignals();
    const source = oneSource([word, flags.manifest, flags.url]);
    const { readPluginManifest } = await import("../plugin_manifest.ts");
    const read = await readPluginManifest(source, flags.checksum, stop.signal);
    const manifest: Manifest = {
      ...read,
      ...(flags.name === undefined ? {} : { name: flags.name }),
      ...(flags.disabled ? { enabled: false } : {}),
    };
    using client = this.connect(flags.socket);
    const plugin = await client.call(installPlugin, manifest, stop.signal)
      .catch((thrown) => {
        if (thrown instanceof Interrupted) {
          this.out.note(
            `${manifest.name} goes on being installed; look with: volant plugin list`,
          );
        }
        throw thrown;
      });
    if (flags.json) return this.out.json(plugin);
    const { name, version, enabled, replaced } = plugin;
    const isNow = `${name} ${version} is installed${
      enabled ? "" : ", and disabled"
    }`;
    this.out.line(
      replaced === undefined ? isNow : `${isNow}, in place of ${replaced}`,
    );
    this.out.line(`  ${artifactWord(plugin)}`);
    const users = stillUse(plugin.vms);
    if (replaced !== undefined && users !== undefined) {
      this.out.line(`  ${users} what was installed before`);
    }
  },
});

function oneSource(words: readonly (string | undefined)[]): string {
  const given = words.filter((word) => word !== undefined);
  const [source] = given;
  if (source !== undefined && given.length === 1) return source;
  throw new Fault(
    "invalid-input",
    given.length === 0
      ? "Cannot install a plugin: no manifest is named"
      : "Cannot install a plugin: more than one manifest is named",
    { hint: "Write volant plugin install FILE, or a URL in its place" },
  );
}
