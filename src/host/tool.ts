/**
 * Finds a program of the host and asks it for its version.
 *
 * An environment variable may name the program in place of `PATH`. Which
 * versions will do is for the callers to say.
 *
 * @module
 */

import { execute, findProgram } from "../lib/exec.ts";
import { Fault } from "../lib/fault.ts";

export interface Tool {
  readonly path: string;
  readonly version: string;
}

export interface ToolSearch {
  /** Name in `PATH`. */
  readonly name: string;
  /** Environment variable that overrides the path. */
  readonly variable: string;
  /** Finds the version in what `--version` prints; group 1. */
  readonly version: RegExp;
  /** How it is installed. */
  readonly install: string;
}

/** Throws `hypervisor-unavailable` when it is absent or cannot be run. */
export async function findTool(search: ToolSearch): Promise<Tool> {
  const { name, variable, version, install } = search;
  const named = Deno.env.get(variable);
  const path = named || await findProgram(name);
  if (path === undefined) {
    throw new Fault(
      "hypervisor-unavailable",
      `Cannot find "${name}": it is not installed`,
      { hint: `Install it with \`${install}\`, or name it in ${variable}` },
    );
  }
  const hint = named
    ? `Mend ${variable}, or unset it to use the one in PATH`
    : `Install it again with \`${install}\``;
  const { status, stdout, stderr } = await execute(path, ["--version"], {
    fault: "hypervisor-unavailable",
    hint,
  }).catch((cause) => {
    if (cause instanceof Fault) throw cause;
    throw new Fault("hypervisor-unavailable", `Cannot run "${path}"`, {
      cause,
      hint,
    });
  });
  if (status !== 0) {
    const words = stderr.trim().split("\n").slice(-1).join("");
    throw new Fault(
      "hypervisor-unavailable",
      `Cannot ask "${path}" for its version: it ended with status ${status}: ${words}`,
      { hint },
    );
  }
  return { path, version: version.exec(stdout)?.[1] ?? "unknown" };
}

/** Whether dotted version `found` is at least `wanted`; an unknown one is. */
export function isAtLeast(found: string, wanted: string): boolean {
  if (!/^\d/.test(found)) return true;
  const have = found.split(".").map((part) => parseInt(part, 10) || 0);
  for (const [index, part] of wanted.split(".").entries()) {
    const difference = (have[index] ?? 0) - Number(part);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
