/**
 * Every command of the CLI: one line each.
 *
 * A command's module is loaded when its name is called, so that `vm list` does
 * not pay for the builder. Only the help of a group loads all that is in it.
 *
 * @module
 */

import { buildRouteMap, type Command, type RouteMap } from "@stricli/core";
import type { Context } from "./context.ts";

type Loader = () => Promise<Command<Context>>;

export interface Group {
  readonly brief: string;
  readonly text?: string;
  readonly entries: Readonly<Record<string, Loader | Group>>;
}

const VM: Group = {
  brief: "Create, run and look into virtual machines (also `vms`)",
  entries: {
    create: async () => (await import("./commands/vm_create.ts")).vmCreate,
    list: async () => (await import("./commands/vm_list.ts")).vmList,
    get: async () => (await import("./commands/vm_get.ts")).vmGet,
    start: async () => (await import("./commands/vm_start.ts")).vmStart,
    stop: async () => (await import("./commands/vm_stop.ts")).vmStop,
    restart: async () => (await import("./commands/vm_restart.ts")).vmRestart,
    delete: async () => (await import("./commands/vm_delete.ts")).vmDelete,
    logs: async () => (await import("./commands/vm_logs.ts")).vmLogs,
    console: async () => (await import("./commands/vm_console.ts")).vmConsole,
    wait: async () => (await import("./commands/vm_wait.ts")).vmWait,
  },
};

const PLUGIN: Group = {
  brief: "Install manifests and manage them (also `plugins`)",
  entries: {
    install: async () =>
      (await import("./commands/plugin_install.ts")).pluginInstall,
    list: async () => (await import("./commands/plugin_list.ts")).pluginList,
    get: async () => (await import("./commands/plugin_get.ts")).pluginGet,
    enable: async () =>
      (await import("./commands/plugin_enable.ts")).pluginEnable,
    disable: async () =>
      (await import("./commands/plugin_enable.ts")).pluginDisable,
    remove: async () =>
      (await import("./commands/plugin_remove.ts")).pluginRemove,
  },
};

const IMAGE: Group = {
  brief:
    "Pull images from registries, and look after the cache of them (also `images`)",
  entries: {
    pull: async () => (await import("./commands/image_pull.ts")).imagePull,
    list: async () => (await import("./commands/image_list.ts")).imageList,
    inspect: async () =>
      (await import("./commands/image_inspect.ts")).imageInspect,
    remove: async () =>
      (await import("./commands/image_remove.ts")).imageRemove,
    prune: async () => (await import("./commands/image_prune.ts")).imagePrune,
  },
};

const BACKUP: Group = {
  brief: "Back up all virtual machines and plugins, and bring them back",
  entries: {
    create: async () =>
      (await import("./commands/backup_create.ts")).backupCreate,
    verify: async () =>
      (await import("./commands/backup_verify.ts")).backupVerify,
    restore: async () =>
      (await import("./commands/backup_restore.ts")).backupRestore,
  },
};

const SYSTEM: Group = {
  brief: "Look into the daemon",
  entries: {
    info: async () => (await import("./commands/system_info.ts")).systemInfo,
  },
};

const COMPLETION: Group = {
  brief: "Print what lets a shell complete command lines",
  entries: {
    bash: async () => (await import("./commands/completion.ts")).completionBash,
    zsh: async () => (await import("./commands/completion.ts")).completionZsh,
    fish: async () => (await import("./commands/completion.ts")).completionFish,
  },
};

const DOCS: Group = {
  brief: "Print the reference pages",
  entries: {
    cli: async () => (await import("./commands/docs.ts")).docsCli,
    faults: async () => (await import("./commands/docs.ts")).docsFaults,
    manifest: async () => (await import("./commands/docs.ts")).docsManifest,
    schema: async () => (await import("./commands/docs.ts")).docsSchema,
    fledge: async () => (await import("./commands/docs.ts")).docsFledge,
  },
};

export const COMMANDS: Group = {
  brief: "Run workloads in microVMs",
  text: [
    "Run workloads in microVMs.",
    "",
    "EXAMPLES",
    "  volant doctor",
    "      Say what this host can do and how to mend what is missing",
    "  volant run --rm oci:./tools -- id",
    "      Run an OCI image in the foreground, and leave nothing behind",
    "  volant build -o web.cpio",
    "      Build an appliance from ./fledge.toml, with a manifest beside it",
    "  volant vm create web --manifest web.cpio.manifest.json --publish 8080:80",
    "      Boot it and make its port 80 reachable at 127.0.0.1:8080",
    "",
    "ENVIRONMENT",
    "  VOLANT_SOCKET       socket of the daemon; --socket PATH goes first",
    "  VOLANT_STATE_DIR    where the daemon keeps what survives a reboot",
    "  VOLANT_RUNTIME_DIR  where it keeps sockets and run directories",
    "  VOLANT_CACHE        where images and fetched files are kept",
    "  VOLANT_REGISTRY_MIRROR  servers to ask for images first: [REGISTRY=]URL ...",
    "  SSL_CERT_FILE       certificates to trust in place of the system's",
    "  VOLANT_QEMU         the QEMU to use in place of that in PATH",
    "  VOLANT_PASST        the passt to use in place of that in PATH",
    "  NO_COLOR            no colours",
    "",
    "EXIT STATUS",
    "  0 when all was done; else the one of the fault: see docs/reference/faults.md",
  ].join("\n"),
  entries: {
    run: async () => (await import("./commands/run.ts")).run,
    vm: VM,
    plugin: PLUGIN,
    image: IMAGE,
    build: async () => (await import("./commands/build.ts")).build,
    backup: BACKUP,
    events: async () => (await import("./commands/events.ts")).events,
    system: SYSTEM,
    doctor: async () => (await import("./commands/doctor.ts")).doctor,
    version: async () => (await import("./commands/version.ts")).version,
    daemon: async () => (await import("./commands/daemon.ts")).daemon,
    completion: COMPLETION,
    docs: DOCS,
  },
};

const ALIASES: Readonly<Record<string, string>> = {
  vms: "vm",
  plugins: "plugin",
  images: "image",
};

/** Commands of a group that have a second name. */
const COMMAND_ALIASES: Readonly<Record<string, string>> = {
  "plugin show": "get",
};

/** `words` with the aliases of groups and commands replaced by their names. */
export function withoutAliases(words: readonly string[]): readonly string[] {
  const [first = "", ...others] = words;
  const group = Object.hasOwn(ALIASES, first) ? ALIASES[first] : undefined;
  const named = group === undefined ? words : [group, ...others];
  const [name = "", command = "", ...rest] = named;
  const key = `${name} ${command}`;
  return Object.hasOwn(COMMAND_ALIASES, key)
    ? [name, COMMAND_ALIASES[key] ?? command, ...rest]
    : named;
}

/** The part of `group` that `words` name: one command, or a whole group. */
export async function loadRoutes(
  group: Group,
  words: readonly string[],
): Promise<RouteMap<Context>> {
  const { brief, text, entries } = group;
  const [name = "", ...rest] = words;
  const wanted = Object.hasOwn(entries, name)
    ? Object.entries(entries).filter(([entry]) => entry === name)
    : Object.entries(entries);
  const routes = await Promise.all(wanted.map(async ([entry, target]) => {
    const route = typeof target === "function"
      ? await target()
      : await loadRoutes(target, rest);
    return [entry, route] as const;
  }));
  return buildRouteMap({
    routes: Object.fromEntries(routes),
    docs: {
      brief,
      ...(text === undefined ? {} : { fullDescription: text }),
    },
  });
}
