/**
 * Runs one command line and hands back its exit status.
 *
 * Here is where everything thrown ends: a fault is printed with its hint and
 * gives the status of its row in `FAULTS`. Which command there is stands in
 * `registry.ts`, what one does in its own file under `commands/`.
 *
 * @module
 */

import { buildApplication, run } from "@stricli/core";
import { Fault, FAULTS } from "../lib/fault.ts";
import { programName } from "../lib/self.ts";
import { applicationConfig } from "./application.ts";
import { Interrupted, makeContext } from "./context.ts";
import { Output, processSink } from "./output.ts";
import { COMMANDS, loadRoutes, withoutAliases } from "./registry.ts";
import { RUN_FAILED } from "./run_status.ts";
import { refuseEmptyValues } from "./usage.ts";

/** What the scripts of `volant completion` call; no command for people. */
const COMPLETE = "__complete";

/** As a shell reports a program that a closed pipe has ended: 128 + SIGPIPE. */
const CLOSED_PIPE_STATUS = 141;

export interface CliOptions {
  /** The name the program was called by. */
  readonly program?: string;
  readonly out?: Output;
  readonly env?: (name: string) => string | undefined;
}

/** Runs `words`, without the program's name. Prints its own failures. */
export async function runCli(
  words: readonly string[],
  options: CliOptions = {},
): Promise<number> {
  const env = options.env ?? ((name) => Deno.env.get(name));
  const out = options.out ?? processOutput(env);
  const program = options.program ?? programName();
  try {
    return await dispatch(words, { program, env, out });
  } catch (thrown) {
    if (thrown instanceof Deno.errors.BrokenPipe) return CLOSED_PIPE_STATUS;
    if (thrown instanceof Interrupted) return thrown.status;
    const fault = Fault.from(thrown);
    out.fault(fault, asksForJson(words));
    if (fault.code === "bug" && thrown instanceof Error && thrown.stack) {
      out.note(thrown.stack);
    }
    return failureStatus(fault, program, words);
  }
}

/** `run` ends with the workload's status, so a failure of ours stands apart. */
function failureStatus(
  { code }: Fault,
  program: string,
  words: readonly string[],
): number {
  const [command] = takeSocket(wordsOf(program, words)).rest;
  return command === "run" ? RUN_FAILED : FAULTS[code].exit;
}

async function dispatch(
  words: readonly string[],
  { program, out, env }: Required<CliOptions>,
): Promise<number> {
  if (words[0] === COMPLETE) {
    const { printCompletions } = await import("./complete.ts");
    await printCompletions(wordsOf(program, words.slice(1)), { out, env });
    return 0;
  }
  const { socket, rest } = takeSocket(wordsOf(program, words));
  refuseEmptyValues(rest);
  const inputs = rest[0] === "--version" ? ["version"] : withoutAliases(rest);
  const application = buildApplication(
    await loadRoutes(COMMANDS, inputs),
    applicationConfig(program === "volar" ? "volar" : "volant"),
  );
  const context = makeContext({ out, socket, env });
  await run(application, inputs, context);
  return Number(context.process.exitCode ?? 0);
}

/** `fledge ARGS` is `volant build ARGS`; so is `fledge build ARGS`. */
function wordsOf(program: string, words: readonly string[]): readonly string[] {
  if (program !== "fledge") return words;
  const rest = words[0] === "build" ? words.slice(1) : words;
  return rest[0] === "--version" ? rest : ["build", ...rest];
}

/** Takes `--socket PATH` from ahead of the command. */
function takeSocket(
  words: readonly string[],
): { readonly socket: string | undefined; readonly rest: readonly string[] } {
  const [first = "", second] = words;
  if (first.startsWith("--socket=")) {
    return { socket: first.slice("--socket=".length), rest: words.slice(1) };
  }
  if (first === "--socket" && second !== undefined) {
    return { socket: second, rest: words.slice(2) };
  }
  return { socket: undefined, rest: words };
}

/** Asked before the words are parsed, as parsing may be what fails. */
function asksForJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).includes("--json");
}

function processOutput(env: (name: string) => string | undefined): Output {
  const colours = !env("NO_COLOR") && env("TERM") !== "dumb";
  return new Output(
    processSink(Deno.stdout),
    processSink(Deno.stderr),
    colours,
  );
}
