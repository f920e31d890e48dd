/**
 * The flags and words that several commands take, and how help is laid out.
 *
 * @module
 */

import type { WaitFor } from "../api/vms.ts";
import { vmName } from "../manifest/values.ts";
import { anyFile, vmNames } from "./proposals.ts";
import { parseDuration } from "./words.ts";

/** Of every command that asks the daemon. */
export interface DaemonFlags {
  readonly socket?: string;
  readonly json?: boolean;
}

export const JSON_FLAG = {
  kind: "boolean",
  optional: true,
  withNegated: false,
  brief: "Print JSON, errors included",
} as const;

export const DAEMON_FLAGS = {
  socket: {
    kind: "parsed",
    parse: String,
    proposeCompletions: anyFile,
    optional: true,
    placeholder: "PATH",
    brief: "PATH: socket of the daemon (or VOLANT_SOCKET)",
  },
  json: JSON_FLAG,
} as const;

/** Of the commands that start a machine. */
export interface WaitFlags {
  readonly wait: WaitFor;
  readonly timeout?: number;
}

export const WAIT_FLAGS = {
  wait: {
    kind: "enum",
    values: ["none", "running", "healthy"],
    default: "running",
    brief: "Until when to wait",
  },
  timeout: {
    kind: "parsed",
    parse: parseDuration,
    optional: true,
    placeholder: "TIME",
    brief:
      "TIME such as 30s: how long to wait, after which it goes on starting (default 60s)",
  },
} as const;

/** Of the commands that end a machine. */
export interface StopFlags {
  readonly grace?: number;
  readonly kill?: boolean;
}

export const STOP_FLAGS = {
  grace: {
    kind: "parsed",
    parse: parseDuration,
    optional: true,
    placeholder: "TIME",
    brief:
      "TIME such as 10s: how long the workload may take to end (default: the manifest's)",
  },
  kill: {
    kind: "boolean",
    optional: true,
    withNegated: false,
    brief: "End the machine at once, without asking the guest",
  },
} as const;

export const ONE_NAME = {
  kind: "tuple",
  parameters: [
    {
      parse: vmName,
      proposeCompletions: vmNames,
      placeholder: "NAME",
      brief: "Name of the VM",
    },
  ],
} as const;

/** Of a VM that is not there yet. */
export const NEW_NAME = {
  kind: "tuple",
  parameters: [{ parse: vmName, placeholder: "NAME", brief: "Name of the VM" }],
} as const;

export const SEVERAL_NAMES = {
  kind: "array",
  minimum: 1,
  parameter: {
    parse: vmName,
    proposeCompletions: vmNames,
    placeholder: "NAME",
    brief: "Names of the VMs, dealt with in turn",
  },
} as const;

export interface HelpText {
  readonly brief: string;
  /** Sentences below the brief. */
  readonly text?: string;
  /** Command lines, each with what it does. */
  readonly examples: readonly (readonly [command: string, does: string])[];
  /** Exit statuses beyond those of faults. */
  readonly exits?: readonly (readonly [status: string, when: string])[];
  /** What follows the command's name, where the parser cannot know it. */
  readonly usage?: string;
}

interface CommandDocs {
  readonly brief: string;
  readonly fullDescription: string;
  readonly customUsage?: readonly string[];
}

/** Lays out the help of a command; reference.md is printed from it too. */
export function help(
  { brief, text, examples, exits = [], usage }: HelpText,
): CommandDocs {
  const lines = [text === undefined ? brief : `${brief}\n\n${text}`];
  lines.push("", "EXAMPLES");
  for (const [command, does] of examples) {
    lines.push(`  ${command}`, `      ${does}`);
  }
  if (exits.length > 0) lines.push("", "EXIT STATUS");
  for (const [status, when] of exits) {
    lines.push(`  ${status.padEnd(5)}  ${when}`);
  }
  return {
    brief,
    fullDescription: lines.join("\n"),
    ...(usage === undefined ? {} : { customUsage: [usage] }),
  };
}
