/**
 * Runs a program in a network namespace that is gone when the program is: a
 * place to try what the kernel can do, without a trace on the host's network.
 *
 * @module
 */

import { execute, findProgram } from "../lib/exec.ts";
import { mayChangeNetwork } from "./capabilities.ts";

export interface Trial {
  /** Why there was no such namespace; the program has not run then. */
  readonly refused?: string;
  readonly status: number;
  readonly stderr: string;
}

const DEADLINE_MS = 10_000;

const BY_RIGHT = ["--net"] as const;
/** Everybody is root in there, where this is allowed. */
const BY_USER_NAMESPACE = ["--user", "--map-root-user", "--net"] as const;

export async function inThrowawayNetwork(
  path: string,
  args: readonly string[],
  input: string,
): Promise<Trial> {
  const unshare = await findProgram("unshare");
  const ways = await mayChangeNetwork()
    ? [BY_RIGHT, BY_USER_NAMESPACE]
    : [BY_USER_NAMESPACE];
  let refused = 'the program "unshare" is not installed';
  for (const way of unshare === undefined ? [] : ways) {
    const { status, stderr } = await execute(
      unshare ?? "",
      [...way, "--", path, ...args],
      {
        input,
        signal: AbortSignal.timeout(DEADLINE_MS),
        fault: "network-unavailable",
      },
    );
    if (!stderr.startsWith("unshare:")) return { status, stderr };
    refused = stderr.trim();
  }
  return { refused, status: 1, stderr: "" };
}
