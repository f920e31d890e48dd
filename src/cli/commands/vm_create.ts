/**
 * `volant vm create`: a VM from a manifest, over which the flags go.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import {
  createVm,
  type CreateVmInput,
  type PublishedPort,
  type VmConfig,
} from "../../api/vms.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import type { Context } from "../context.ts";
import {
  DAEMON_FLAGS,
  type DaemonFlags,
  help,
  ONE_NAME,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { isNow, publishedPort } from "../vm_text.ts";
import { whileWaiting } from "../waiting.ts";
import {
  parseCount,
  parseEnv,
  parseEnvFile,
  parseMemory,
  parsePublish,
} from "../words.ts";

interface Flags extends DaemonFlags, WaitFlags {
  readonly manifest: string;
  readonly cpus?: number;
  readonly memory?: number;
  readonly publish?: readonly PublishedPort[];
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly network?: "user" | "none";
  readonly restart?: "no" | "on-failure" | "always";
  readonly kernel?: string;
  readonly kernelArg?: readonly string[];
  readonly noStart?: boolean;
}

export const vmCreate = buildCommand<Flags, [string], Context>({
  docs: help({
    brief: "Create a virtual machine from a manifest and start it",
    text:
      "What the flags say goes over what the manifest says. Files the manifest names by\nrelative paths are looked for beside it.",
    examples: [
      [
        "volant vm create web --manifest web.cpio.manifest.json --publish 8080:80",
        "Boot it, and make its port 80 reachable at 127.0.0.1:8080",
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
        placeholder: "FILE",
        brief: "FILE: the manifest, JSON or TOML; - is stdin",
      },
      cpus: {
        kind: "parsed",
        parse: parseCount,
        optional: true,
        placeholder: "N",
        brief: "N: virtual CPUs",
      },
      memory: {
        kind: "parsed",
        parse: parseMemory,
        optional: true,
        placeholder: "SIZE",
        brief: "64|64MiB|1GiB: memory",
      },
      publish: {
        kind: "parsed",
        parse: parsePublish,
        optional: true,
        variadic: true,
        placeholder: "[HOST_IP:]HOST_PORT:PORT[/udp]",
        brief:
          "[HOST_IP:]HOST_PORT:PORT[/udp]: reach a guest port; replaces those of the manifest",
      },
      env: {
        kind: "parsed",
        parse: String,
        optional: true,
        variadic: true,
        placeholder: "NAME[=VALUE]",
        brief: "NAME[=VALUE]: environment variable of the workload",
      },
      envFile: {
        kind: "parsed",
        parse: String,
        optional: true,
        variadic: true,
        placeholder: "FILE",
        brief: "FILE: such variables, one a line",
      },
      network: {
        kind: "enum",
        values: ["user", "none"],
        optional: true,
        brief: "How the guest reaches the network",
      },
      restart: {
        kind: "enum",
        values: ["no", "on-failure", "always"],
        optional: true,
        brief:
          "Restart by the guest's PID 1; a crashed VMM stays crashed in this version",
      },
      kernel: {
        kind: "parsed",
        parse: String,
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
    aliases: { m: "manifest", p: "publish", e: "env" },
    positional: ONE_NAME,
  },
  async func(flags, name) {
    const { readManifestFile } = await import("../manifest_file.ts");
    const manifest = await readManifestFile(flags.manifest);
    const input = await requestFrom(name, manifest, flags, this);
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
  manifest: Manifest,
  flags: Flags,
  context: Context,
): Promise<CreateVmInput> {
  const { cpus, memory, timeout } = flags;
  const { publish, network, restart, kernelArg } = flags;
  const env = await environment(flags, context);
  const kernel = flags.kernel === undefined
    ? undefined
    : await existingFile(flags.kernel, "kernel");
  const config: VmConfig = {
    manifest,
    resources: {
      ...(cpus === undefined ? {} : { cpu_cores: cpus }),
      ...(memory === undefined ? {} : { memory_mb: memory }),
    },
    ...(network === undefined ? {} : { network: { mode: network } }),
    ...(publish === undefined ? {} : { expose: publish }),
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(restart === undefined ? {} : { restart }),
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

/** The variables of the files, and over them those of the flags. */
async function environment(
  { env = [], envFile = [] }: Flags,
  context: Context,
): Promise<Readonly<Record<string, string>>> {
  const lookUp = (name: string) => context.env(name);
  const { unreadable } = await import("../manifest_file.ts");
  const fromFiles = await Promise.all(envFile.map(async (path) => {
    const text = await Deno.readTextFile(path).catch((cause) => {
      throw unreadable(path, "environment file", cause);
    });
    return parseEnvFile(text, path, lookUp);
  }));
  return Object.fromEntries([
    ...fromFiles.flat(),
    ...env.map((word) => parseEnv(word, lookUp)),
  ]);
}

async function existingFile(path: string, what: string): Promise<string> {
  const { absolutePath, unreadable } = await import("../manifest_file.ts");
  await Deno.stat(path).catch((cause) => {
    throw unreadable(path, what, cause);
  });
  return absolutePath(path, Deno.cwd());
}
