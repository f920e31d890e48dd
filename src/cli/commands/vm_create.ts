/**
 * `volant vm create`: a VM from a manifest, over which the flags go.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { createVm, type CreateVmInput } from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import type { Context } from "../context.ts";
import {
  DAEMON_FLAGS,
  type DaemonFlags,
  help,
  NEW_NAME,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { pluginNames } from "../plugin_text.ts";
import { anyFile } from "../proposals.ts";
import {
  VM_OPTION_ALIASES,
  VM_OPTION_FLAGS,
  type VmOptionFlags,
  vmOptions,
} from "../vm_options.ts";
import { isNow, publishedPort } from "../vm_text.ts";
import { whileWaiting } from "../waiting.ts";

interface Flags extends DaemonFlags, WaitFlags, VmOptionFlags {
  readonly manifest?: string;
  readonly plugin?: string;
  readonly kernel?: string;
  readonly kernelArg?: readonly string[];
  readonly noStart?: boolean;
}

export const vmCreate = buildCommand<Flags, [string], Context>({
  docs: help({
    brief: "Create a virtual machine from a manifest or a plugin and start it",
    text:
      "What the flags say goes over what the manifest says. Files the manifest names by\nrelative paths are looked for beside it.",
    examples: [
      [
        "volant vm create web --manifest web.cpio.manifest.json --publish 8080:80",
        "Boot it, and make its port 80 reachable at 127.0.0.1:8080",
      ],
      [
        "volant vm create web2 --plugin web --memory 256MiB",
        "Boot another from the plugin web, with more memory",
      ],
      [
        "volant vm create db --manifest db.toml --memory 1GiB --env PASSWORD",
        "Give it memory, and a variable with the value it has here",
      ],
      [
        "volant vm create web --manifest web.toml --wait healthy --timeout 30s",
        "Come back when its health check has answered",
      ],
    ],
    exits: [
      ["65", "the manifest is not valid, or a file is not the one it names"],
      ["73", "the name or a host port is taken"],
      ["75", "it was not running (or healthy) in time; it goes on starting"],
    ],
  }),
  parameters: {
    flags: {
      ...DAEMON_FLAGS,
      manifest: {
        kind: "parsed",
        parse: String,
        proposeCompletions: anyFile,
        optional: true,
        placeholder: "FILE",
        brief: "FILE: the manifest, JSON or TOML; - is stdin",
      },
      plugin: {
        kind: "parsed",
        parse: String,
        proposeCompletions: pluginNames,
        optional: true,
        placeholder: "NAME",
        brief: "NAME: an installed plugin, in place of a manifest",
      },
      ...VM_OPTION_FLAGS,
      kernel: {
        kind: "parsed",
        parse: String,
        proposeCompletions: anyFile,
        optional: true,
        placeholder: "FILE",
        brief: "FILE: boot this uncompressed kernel",
      },
      kernelArg: {
        kind: "parsed",
        parse: String,
        optional: true,
        variadic: true,
        placeholder: "WORD",
        brief: "WORD: added to the kernel's command line",
      },
      noStart: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Only create it",
      },
      ...WAIT_FLAGS,
    },
    aliases: { m: "manifest", ...VM_OPTION_ALIASES },
    positional: NEW_NAME,
  },
  async func(flags, name) {
    const input = await requestFrom(name, flags, this);
    using client = this.connect(flags.socket);
    const wait = input.wait ?? "running";
    const vm = await whileWaiting(
      this,
      { name, wait },
      (signal) => client.call(createVm, input, signal),
    );
    if (flags.json) return this.out.json(vm);
    this.out.line(isNow(name, vm));
    for (const port of vm.expose) {
      this.out.line(`  published ${publishedPort(port)}`);
    }
  },
});

async function requestFrom(
  name: string,
  flags: Flags,
  context: Context,
): Promise<CreateVmInput> {
  const { timeout, kernelArg } = flags;
  const kernel = flags.kernel === undefined
    ? undefined
    : await existingFile(flags.kernel, "kernel");
  const config: CreateVmInput["config"] = {
    ...await origin(name, flags),
    ...await vmOptions(flags, context),
    ...(kernelArg === undefined ? {} : { kernel_cmdline: kernelArg.join(" ") }),
    ...(kernel === undefined ? {} : { kernel_override: kernel }),
  };
  return {
    name,
    config,
    start: flags.noStart !== true,
    wait: flags.noStart ? "none" : flags.wait,
    ...(timeout === undefined ? {} : { timeout }),
  };
}

/** What it is made from: one of the two. */
async function origin(
  name: string,
  { manifest, plugin }: Flags,
): Promise<{ readonly manifest: Manifest } | { readonly plugin: string }> {
  if (manifest !== undefined && plugin === undefined) {
    const { readManifestFile } = await import("../manifest_file.ts");
    return { manifest: await readManifestFile(manifest) };
  }
  if (plugin !== undefined && manifest === undefined) return { plugin };
  throw new Fault(
    "invalid-input",
    manifest === undefined
      ? `Cannot create VM "${name}": neither --manifest nor --plugin is given`
      : `Cannot create VM "${name}": --manifest and --plugin are both given`,
    { hint: "Name a manifest's file with --manifest, or an installed plugin" },
  );
}

async function existingFile(path: string, what: string): Promise<string> {
  const { absolutePath, unreadable } = await import("../manifest_file.ts");
  await Deno.stat(path).catch((cause) => {
    throw unreadable(path, what, cause);
  });
  return absolutePath(path, Deno.cwd());
}
