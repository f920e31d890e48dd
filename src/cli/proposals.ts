/**
 * What the completion of a shell may propose for a word: files, and what the
 * daemon knows by name.
 *
 * A daemon that is slow or away must not hold up the prompt: it has half a
 * second, and its faults propose nothing.
 *
 * @module
 */

import type { Client } from "../api/client.ts";
import { listVms } from "../api/vms.ts";
import type { Context } from "./context.ts";

const DAEMON_MS = 500;

/**
 * Stands behind what was typed where the shell is to propose its files; no word
 * of a command line can hold a NUL. The parser keeps only what begins as typed.
 */
const FILES = "\0files:";

/**
 * Leaves it to the shell, which knows how to quote a file's name; `prefix` is
 * what stands before the name in the word.
 */
export function anyFile(partial: string, prefix = ""): readonly string[] {
  return [partial + FILES + prefix];
}

/** What stands before the file's name, of a word that `anyFile` made. */
export function filesPrefix(proposal: string): string | undefined {
  const [, prefix] = proposal.split(FILES);
  return prefix;
}

/** Names of virtual machines. */
export function vmNames(this: Context): Promise<readonly string[]> {
  return namesFrom(this, async (client, signal) => {
    const vms = await client.call(listVms, {}, signal);
    return vms.map(({ name }) => name);
  });
}

/** The names that the daemon is asked for in time, or none. */
export async function namesFrom(
  context: Context,
  ask: (client: Client, signal: AbortSignal) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  try {
    using client = context.connect(undefined);
    return await ask(client, AbortSignal.timeout(DAEMON_MS));
  } catch {
    // Nobody wants an error in the middle of typing.
    return [];
  }
}
