/**
 * `ip` and `nft`, the programs that change the host's network.
 *
 * @module
 */

import { type ExecResult, execute, findProgram } from "../../lib/exec.ts";
import { Fault } from "../../lib/fault.ts";

export interface NetworkPrograms {
  /** Runs `ip ARGS`; throws `network-unavailable` if there is no such program. */
  ip(args: readonly string[], input?: string): Promise<ExecResult>;
  /** As `ip`, with a script for `nft -f -`, which does all of it or nothing. */
  nft(script: string): Promise<ExecResult>;
}

export const hostPrograms: NetworkPrograms = {
  async ip(args, input) {
    return await runProgram("ip", "iproute2", args, input);
  },
  async nft(script) {
    return await runProgram("nft", "nftables", ["-f", "-"], script);
  },
};

async function runProgram(
  name: string,
  packageName: string,
  args: readonly string[],
  input: string | undefined,
): Promise<ExecResult> {
  const path = await findProgram(name);
  if (path === undefined) {
    throw unavailable(
      `the program "${name}" is not installed`,
      `Install it with \`apt-get install ${packageName}\`, or use --network user`,
    );
  }
  return await execute(path, args, {
    fault: "network-unavailable",
    ...(input !== undefined && { input }),
  });
}

export function unavailable(
  what: string,
  hint: string,
  cause?: unknown,
): Fault {
  return new Fault(
    "network-unavailable",
    `Cannot use bridged networking: ${what}`,
    { hint, ...(cause !== undefined && { cause }) },
  );
}

/** The last words of a program that failed, for a fault. */
export function lastWords({ stderr, status }: ExecResult): string {
  const words = stderr.trim().split("\n").slice(-3).join("; ");
  return words === "" ? `status ${status}` : words;
}
