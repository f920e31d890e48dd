/**
 * What the daemon was told by its command line and the environment; the only
 * reader of both in the daemon.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { Fault } from "../lib/fault.ts";
import { type Folders, folders } from "../lib/folders.ts";
import {
  HYPERVISOR_NAMES,
  type HypervisorName,
} from "./hypervisors/registry.ts";

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;

export type LogLevel = typeof LOG_LEVELS[number];

export interface DaemonConfig {
  readonly folders: Folders;
  readonly hypervisor: HypervisorName;
  readonly logLevel: LogLevel;
  /** First of the ids VMMs run as; undefined: all as the daemon. */
  readonly uidBase: number | undefined;
}

/**
 * Above the ids that systemd gives to users and containers (uids-gids in its
 * documentation), below the sign bit that some programs cannot take.
 */
const UID_BASE = 0x7000_0000;
/** One per VM there ever was; ids of VMs are not used again. */
const UID_COUNT = 0x0f00_0000;

export const DAEMON_USAGE = `Usage: volant daemon [options]

Runs the control plane until SIGTERM or SIGINT. Virtual machines run on when it
ends; the next daemon takes them up again.

Options:
  --state-dir DIR      database, artifacts and logs
                       (VOLANT_STATE_DIR; /var/lib/volant, else ~/.local/state/volant)
  --runtime-dir DIR    sockets and run directories (VOLANT_RUNTIME_DIR; STATE-DIR/run
                       when that is given, else /run/volant, $XDG_RUNTIME_DIR/volant)
  --socket FILE        the API's Unix socket (VOLANT_SOCKET; RUNTIME-DIR/volant.sock)
  --hypervisor NAME    ${HYPERVISOR_NAMES.join(", ")} (VOLANT_HYPERVISOR; qemu)
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
    logLevel: choose(
      "--log-level",
      LOG_LEVELS,
      values["log-level"] ?? env("VOLANT_LOG_LEVEL") ?? "info",
    ),
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
        "log-level": { type: "string" },
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
