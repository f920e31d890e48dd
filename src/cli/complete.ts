/**
 * Proposes how a command line that is being typed may go on.
 *
 * The scripts of `volant completion` ask for it with the words typed so far, and
 * read lines: a word, a tab and what it means, or `:files`, a tab and what stands
 * before the name of a file, which the shell itself completes.
 *
 * @module
 */

import {
  buildApplication,
  type InputCompletion,
  proposeCompletions,
} from "@stricli/core";
import { applicationConfig } from "./application.ts";
import { type Context, makeContext } from "./context.ts";
import { anyFile, filesPrefix } from "./proposals.ts";
import { COMMANDS, loadRoutes, withoutAliases } from "./registry.ts";

const SOCKET = "--socket";

/** The words before the cursor; the last is the one that is being typed. */
export async function printCompletions(
  words: readonly string[],
  { out, env }: Pick<Context, "out" | "env">,
): Promise<void> {
  const context = makeContext({ out, socket: socketIn(words), env });
  for (const line of await completions(words, context)) out.line(line);
}

async function completions(
  words: readonly string[],
  context: Context,
): Promise<readonly string[]> {
  const before = words.slice(0, -1);
  const typed = words.at(-1) ?? "";
  // What follows belongs to the guest.
  if (before.includes("--")) return [];
  const [, flag, value = ""] = /^(--[a-z][a-z-]*)=(.*)$/s.exec(typed) ?? [];
  const [leading, partial, prefix] = flag === undefined
    ? [before, typed, ""] as const
    : [[...before, flag], value, `${flag}=`] as const;
  const proposals = await propose(leading, partial, context);
  return proposals
    .filter((each) => isWanted(each, leading, partial))
    .map((each) => lineOf(each, prefix));
}

async function propose(
  leading: readonly string[],
  partial: string,
  context: Context,
): Promise<readonly InputCompletion[]> {
  if (leading.length === 1 && leading[0] === SOCKET) {
    return anyFile(partial).map((completion) => ({
      kind: "argument:value",
      completion,
      brief: "",
    }));
  }
  const inputs = withoutAliases(withoutSocket(leading));
  const application = buildApplication(
    await loadRoutes(COMMANDS, inputs),
    applicationConfig("volant"),
  );
  return await proposeCompletions(application, [...inputs, partial], context);
}

/** Flags are for who begins one, values for who does not; no name comes twice. */
function isWanted(
  { kind, completion }: InputCompletion,
  leading: readonly string[],
  partial: string,
): boolean {
  if (kind === "argument:flag") {
    return partial.startsWith("-") && /^--[a-z][a-z-]+$/.test(completion);
  }
  if (kind !== "argument:value") return true;
  const isFlagValue = leading.at(-1)?.startsWith("-") === true;
  return isFlagValue ||
    !(partial.startsWith("-") || leading.includes(completion));
}

function lineOf(
  { kind, completion, brief }: InputCompletion,
  prefix: string,
): string {
  const files = filesPrefix(completion);
  if (files !== undefined) return `:files\t${prefix}${files}`;
  const word = prefix + completion;
  return kind === "argument:value" ? word : `${word}\t${brief}`;
}

/** The socket the line names, ahead of the command or behind it. */
function socketIn(words: readonly string[]): string | undefined {
  const before = words.slice(0, -1);
  const at = before.indexOf(SOCKET);
  if (at >= 0) return before[at + 1];
  return before.find((word) => word.startsWith(`${SOCKET}=`))
    ?.slice(SOCKET.length + 1);
}

function withoutSocket(words: readonly string[]): readonly string[] {
  const [first = ""] = words;
  if (first === SOCKET) return words.slice(2);
  return first.startsWith(`${SOCKET}=`) ? words.slice(1) : words;
}
