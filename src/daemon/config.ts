/**
 * What the daemon was told by its command line and the environment; the only
 * reader of both in the daemon.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { Fault } from "../lib/fault.ts";
import { mayChangeNetworkSync } from "../host/capabilities.ts";
import { DEFAULT_BRIDGE, DEFAULT_SUBNET } from "../host/network_defaults.ts";
import { type Folders, folders } from "../lib/folders.ts";
import {
  HYPERVISOR_NAMES,
  type HypervisorName,
} from "./hypervisors/registry.ts";
import {
  QEMU_MACHINES,
  type QemuMachine,
} from "./hypervisors/qemu/machine_models.ts";
import type { NetworkLease } from "./networks/network.ts";
import {
  parseBridgeName,
  parseSubnet,
  type Subnet,
} from "./networks/subnet.ts";

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;

export type LogLevel = typeof LOG_LEVELS[number];

export interface DaemonConfig {
  readonly folders: Folders;
  readonly hypervisor: HypervisorName;
  readonly qemuMachine: QemuMachine;
  readonly logLevel: LogLevel;
  /** First of the ids VMMs run as; undefined: all as the daemon. */
  readonly uidBase: number | undefined;
  /** What manifests may make the daemon fetch. */
  readonly downloads: {
    readonly allowLoopback: boolean;
    readonly limitMib: number;
  };
  readonly network: {
    /** Of VMs that ask for none. */
    readonly defaultMode: NetworkLease["mode"];
    readonly subnet: Subnet;
    readonly bridge: string;
  };
  /** Step at which this daemon kills itself: for tests of what comes after. */
  readonly killAt: string | undefined;
  /** File that names a step at which it is to kill or hold itself. */
  readonly stepsFile: string | undefined;
}

/**
 * Above the ids that systemd gives to users and containers (uids-gids in its
 * documentation), below the sign bit that some programs cannot take.
 */
const UID_BASE = 0x7000_0000;
/** One per VM there ever was; ids of VMs are not used again. */
const UID_COUNT = 0x0f00_0000;

const NETWORK_MODES = [
  "bridged",
  "user",
  "none",
] as const satisfies readonly NetworkLease["mode"][];

const DOWNLOAD_LIMIT_MIB = 64 * 1024;

export const DAEMON_USAGE = `Usage: volant daemon [options]

Runs the control plane until SIGTERM or SIGINT. Virtual machines run on when it
ends; the next daemon takes them up again.

Options:
  --state-dir DIR      database, artifacts and logs
                       (VOLANT_STATE_DIR; /var/lib/volant, else ~/.local/state/volant)
  --runtime-dir DIR    sockets and run directories (VOLANT_RUNTIME_DIR; STATE-DIR/run
                       when that is given, else /run/volant, $XDG_RUNTIME_DIR/volant)
  --socket FILE        the API's Unix socket (VOLANT_SOCKET; RUNTIME-DIR/volant.sock)
  --hypervisor NAME    ${HYPERVISOR_NAMES.join(", ")} (VOLANT_HYPERVISOR; qemu);
                       simulated is for tests: it runs no guest and isolates nothing
  --qemu-machine NAME  ${QEMU_MACHINES.join(", ")}: the second has PCI and ACPI
                       (VOLANT_QEMU_MACHINE; microvm)
  --default-network MODE
                       ${NETWORK_MODES.join(", ")}: of VMs that ask for none
                       (VOLANT_DEFAULT_NETWORK; bridged as root, else user)
  --subnet CIDR        addresses of bridged VMs (VOLANT_SUBNET; ${DEFAULT_SUBNET})
  --bridge NAME        bridge they are on (VOLANT_BRIDGE; ${DEFAULT_BRIDGE})
  --download-limit MIB largest artifact that is fetched by URL
                       (VOLANT_DOWNLOAD_LIMIT; ${DOWNLOAD_LIMIT_MIB})
  --allow-loopback-downloads
                       fetch from this host's own addresses too
                       (VOLANT_ALLOW_LOOPBACK_DOWNLOADS=1)
  --log-level LEVEL    ${LOG_LEVELS.join(", ")} (VOLANT_LOG_LEVEL; info)
  --openapi            print the OpenAPI document of the API, and nothing else
  -h, --help           this text
`;

/** The configuration, or what is to be printed instead. Throws `invalid-input`. */
export function readConfig(
  args: readonly string[],
  env: (name: string) => string | undefined,
): DaemonConfig | "help" | "openapi" {
  const { values } = parse(args);
  if (values.help) return "help";
  if (values.openapi) return "openapi";
  const given: Readonly<Record<string, string | undefined>> = {
    VOLANT_STATE_DIR: values["state-dir"],
    VOLANT_RUNTIME_DIR: values["runtime-dir"],
    VOLANT_SOCKET: values.socket,
  };
  const isRoot = Deno.uid() === 0;
  return {
    folders: absolute(folders((name) => given[name] ?? env(name), isRoot)),
    hypervisor: choose(
      "--hypervisor",
      HYPERVISOR_NAMES,
      values.hypervisor ?? env("VOLANT_HYPERVISOR") ?? "qemu",
    ),
    qemuMachine: choose(
      "--qemu-machine",
      QEMU_MACHINES,
      values["qemu-machine"] ?? env("VOLANT_QEMU_MACHINE") ?? "microvm",
    ),
    logLevel: choose(
      "--log-level",
      LOG_LEVELS,
      values["log-level"] ?? env("VOLANT_LOG_LEVEL") ?? "info",
    ),
    downloads: {
      allowLoopback: values["allow-loopback-downloads"] ??
        env("VOLANT_ALLOW_LOOPBACK_DOWNLOADS") === "1",
      limitMib: count(
        "--download-limit",
        values["download-limit"] ?? env("VOLANT_DOWNLOAD_LIMIT") ??
          String(DOWNLOAD_LIMIT_MIB),
      ),
    },
    network: {
      defaultMode: choose(
        "--default-network",
        NETWORK_MODES,
        values["default-network"] ?? env("VOLANT_DEFAULT_NETWORK") ??
          (isRoot && mayChangeNetworkSync() ? "bridged" : "user"),
      ),
      subnet: parseSubnet(
        values.subnet ?? env("VOLANT_SUBNET") ?? DEFAULT_SUBNET,
      ),
      bridge: parseBridgeName(
        values.bridge ?? env("VOLANT_BRIDGE") ?? DEFAULT_BRIDGE,
      ),
    },
    killAt: env("VOLANT_KILL_AT"),
    stepsFile: env("VOLANT_STEPS_FILE"),
    uidBase: isRoot && hasIds(Deno.readTextFileSync("/proc/self/uid_map"))
      ? UID_BASE
      : undefined,
  };
}

/**
 * Whether the ids for VMMs exist here: root of a user namespace, as in a
 * rootless container, often has a few only. The text is that of
 * `/proc/self/uid_map` (user_namespaces(7)).
 */
export function hasIds(uidMap: string): boolean {
  return uidMap.trim().split("\n").some((line) => {
    const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return first <= UID_BASE && UID_BASE + UID_COUNT <= first + count;
  });
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        "state-dir": { type: "string" },
        "runtime-dir": { type: "string" },
        socket: { type: "string" },
        hypervisor: { type: "string" },
        "qemu-machine": { type: "string" },
        "log-level": { type: "string" },
        "default-network": { type: "string" },
        subnet: { type: "string" },
        bridge: { type: "string" },
        "download-limit": { type: "string" },
        "allow-loopback-downloads": { type: "boolean" },
        openapi: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new Fault("invalid-input", `Cannot read the command line: ${text}`, {
      cause,
      hint: "See volant daemon --help",
    });
  }
}

/** Monitors outlive the daemon's working directory. */
function absolute(given: Folders): Folders {
  const whole = (path: string) =>
    path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  return {
    stateDir: whole(given.stateDir),
    runtimeDir: whole(given.runtimeDir),
    socketPath: whole(given.socketPath),
  };
}

function count(option: string, word: string): number {
  if (/^[1-9]\d{0,8}$/.test(word)) return Number(word);
  throw new Fault("invalid-input", `Cannot use ${option} "${word}"`, {
    hint: "Write a whole number of MiB, at least 1",
  });
}

function choose<T extends string>(
  option: string,
  all: readonly T[],
  word: string,
): T {
  const found = all.find((each) => each === word);
  if (found !== undefined) return found;
  throw new Fault("invalid-input", `Cannot use ${option} "${word}"`, {
    hint: `Choose one of ${all.join(", ")}`,
  });
}
