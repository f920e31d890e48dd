/**
 * What the flags of `vm create` and `run` set over a manifest: one table of
 * flags, and the part of the request they become.
 *
 * @module
 */

import type { PublishedPort, VmConfig } from "../api/vms.ts";
import type { Context } from "./context.ts";
import { anyFile } from "./proposals.ts";
import {
  parseAddress,
  parseCount,
  parseEnv,
  parseEnvFile,
  parseMemory,
  parsePublish,
} from "./words.ts";

/** Flags over a manifest. */
export interface VmOptionFlags {
  readonly cpus?: number;
  readonly memory?: number;
  readonly disk?: number;
  readonly publish?: readonly PublishedPort[];
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly network?: "user" | "bridged" | "none";
  readonly ip?: string;
  readonly isolated?: boolean;
  readonly restart?: "no" | "on-failure" | "always";
  readonly ephemeral?: boolean;
}

export const VM_OPTION_FLAGS = {
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
  disk: {
    kind: "parsed",
    parse: parseMemory,
    optional: true,
    placeholder: "SIZE",
    brief: "512MiB|8GiB: room for what the guest writes to its root",
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
    proposeCompletions: anyFile,
    optional: true,
    variadic: true,
    placeholder: "FILE",
    brief: "FILE: such variables, one a line",
  },
  network: {
    kind: "enum",
    values: ["user", "bridged", "none"],
    optional: true,
    brief: "How the guest reaches the network",
  },
  ip: {
    kind: "parsed",
    parse: parseAddress,
    optional: true,
    placeholder: "ADDRESS",
    brief: "ADDRESS: the guest's own on the bridge; means --network bridged",
  },
  isolated: {
    kind: "boolean",
    optional: true,
    brief:
      "Keep it and the other guests of the bridge apart (default), or let them meet",
  },
  restart: {
    kind: "enum",
    values: ["no", "on-failure", "always"],
    optional: true,
    brief:
      "Start the workload again when it ended, and the machine, also on another boot of the host",
  },
  ephemeral: {
    kind: "boolean",
    optional: true,
    withNegated: false,
    brief: "Lose what the guest writes to its root when it stops",
  },
} as const;

export const VM_OPTION_ALIASES = { p: "publish", e: "env" } as const;

/** What the flags set; what they do not name is left to the manifest. */
export async function vmOptions(
  flags: VmOptionFlags,
  context: Context,
): Promise<Omit<VmConfig, "manifest">> {
  const { cpus, memory, disk, publish, restart, ephemeral } = flags;
  const env = await environment(flags, context);
  const network = networkOf(flags);
  return {
    resources: {
      ...(cpus === undefined ? {} : { cpu_cores: cpus }),
      ...(memory === undefined ? {} : { memory_mb: memory }),
      ...(disk === undefined ? {} : { disk_mb: disk }),
    },
    ...(Object.keys(network).length === 0 ? {} : { network }),
    ...(publish === undefined ? {} : { expose: publish }),
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(restart === undefined ? {} : { restart }),
    ...(ephemeral === undefined ? {} : { ephemeral }),
  };
}

/** Only a bridge gives out addresses, so whoever asks for one wants a bridge. */
function networkOf(
  { network, ip, isolated }: VmOptionFlags,
): NonNullable<VmConfig["network"]> {
  const mode = network ?? (ip === undefined ? undefined : "bridged");
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(ip === undefined ? {} : { ip }),
    ...(isolated === undefined ? {} : { isolated }),
  };
}

/** The variables of the files, and over them those of the flags. */
async function environment(
  { env = [], envFile = [] }: VmOptionFlags,
  context: Context,
): Promise<Readonly<Record<string, string>>> {
  const lookUp = (name: string) => context.env(name);
  const fromFiles = await Promise.all(envFile.map(async (path) => {
    const text = await Deno.readTextFile(path).catch(async (cause) => {
      const { unreadable } = await import("./manifest_file.ts");
      throw unreadable(path, "environment file", cause);
    });
    return parseEnvFile(text, path, lookUp);
  }));
  return Object.fromEntries([
    ...fromFiles.flat(),
    ...env.map((word) => parseEnv(word, lookUp)),
  ]);
}
