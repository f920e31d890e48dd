/**
 * What the command-line parser says, in our words.
 *
 * Every text hook of the parser throws in place of returning a sentence, so
 * that all failures, its own and those of commands, end in one place (`cli.ts`)
 * as a `Fault`: one form, one table of exit statuses, JSON when asked for.
 *
 * @module
 */

import {
  AliasNotFoundError,
  type ApplicationText,
  ArgumentParseError,
  EnumValidationError,
  FlagNotFoundError,
  text_en,
  UnexpectedFlagError,
  UnexpectedPositionalError,
  UnsatisfiedFlagError,
  UnsatisfiedPositionalError,
} from "@stricli/core";
import { Fault } from "../lib/fault.ts";
import { nearest } from "../manifest/nearest.ts";
import { commandMeant, isNotInThisVersion } from "./other_words.ts";

/** The texts of help as they are; every failure is thrown. */
export function throwingText(program: string): ApplicationText {
  const rethrow = (thrown: unknown): never => {
    throw thrown;
  };
  return {
    ...text_en,
    briefs: {
      ...text_en.briefs,
      help: "Show help",
      version: "Show the version",
      argumentEscapeSequence: "Take all that follows as words, not flags",
    },
    noCommandRegisteredForInput: ({ input, corrections }) =>
      rethrow(unknownCommand(program, input, corrections)),
    exceptionWhileParsingArguments: (error) => rethrow(usageFault(error)),
    exceptionWhileLoadingCommandFunction: rethrow,
    exceptionWhileLoadingCommandContext: rethrow,
    exceptionWhileRunningCommand: rethrow,
    commandErrorResult: rethrow,
    exceptionWhileRunningIntegrationHook: ({ exception }) => rethrow(exception),
    exceptionWhileRunningIntegrationFlag: ({ exception }) => rethrow(exception),
  };
}

/** A mistyped command is no longer: `nearest` then allows for two slips at most. */
const COMMAND_LENGTH_MAX = 8;

function unknownCommand(
  program: string,
  input: string,
  corrections: readonly string[],
): Fault {
  const isFlag = input.startsWith("-");
  if (isNotInThisVersion(input)) {
    return misuse(
      `Cannot run command "${input}": it is not in this version`,
      `A guest is reached through its published ports; \`${program} vm logs\` shows its output`,
    );
  }
  const names = corrections.map((name) => name.replaceAll("`", ""));
  const near = input.length > COMMAND_LENGTH_MAX
    ? undefined
    : nearest(input, names);
  const command = commandMeant(input);
  const meant = command === undefined ? near : `${program} ${command}`;
  return misuse(
    `Cannot run ${isFlag ? "with flag" : "command"} "${input}": there is none`,
    meant === undefined
      ? `See \`${program} --help\``
      : `Did you mean \`${meant}\`?`,
  );
}

/**
 * Refuses `--flag=` with nothing behind it, which the parser would take for a
 * word of its own.
 */
export function refuseEmptyValues(words: readonly string[]): void {
  const end = words.indexOf("--");
  const empty = (end < 0 ? words : words.slice(0, end))
    .find((word) => /^--[a-z][a-z-]*=$/.test(word));
  if (empty === undefined) return;
  const flag = empty.slice(0, -1);
  throw misuse(
    `Cannot read flag "${flag}": its value is empty`,
    flag === "--entrypoint"
      ? `Write a program after ${empty}, or ${flag} "" to run the command alone`
      : `Write a value after ${empty}, or leave the flag out`,
  );
}

/** What is wrong with the words of a command line; faults pass through. */
export function usageFault(error: unknown): unknown {
  if (error instanceof ArgumentParseError) return wordFault(error);
  if (error instanceof FlagNotFoundError) {
    return misuse(
      `Cannot use flag "--${error.input}": the command has none`,
      suggestion(nearest(error.input, error.corrections)),
    );
  }
  if (error instanceof AliasNotFoundError) {
    return misuse(
      `Cannot use flag "-${error.input}": the command has none`,
      "See --help of the command; words of a workload's own command stand after --",
    );
  }
  if (error instanceof EnumValidationError) {
    return misuse(
      `Cannot set --${error.externalFlagName} to "${error.input}": it is not one of its values`,
      `Write one of ${error.values.join(", ")}`,
    );
  }
  if (error instanceof UnsatisfiedFlagError) {
    return misuse(
      `Cannot read flag "--${error.externalFlagName}": its value is missing`,
    );
  }
  if (error instanceof UnexpectedFlagError) {
    return misuse(
      `Cannot set --${error.externalFlagName} to "${error.input}": it is "${error.previousInput}" already`,
      "Give the flag once",
    );
  }
  if (error instanceof UnexpectedPositionalError) {
    return misuse(
      `Cannot take the word "${error.input}": the command takes ${
        error.expectedCount === 0 ? "none" : `only ${error.expectedCount}`
      }`,
    );
  }
  if (error instanceof UnsatisfiedPositionalError) {
    return misuse(
      `Cannot run the command: its ${error.placeholder} is missing`,
    );
  }
  return error;
}

function wordFault(
  { externalFlagNameOrPlaceholder: name, input, exception }: ArgumentParseError,
): Fault {
  const flag = /^[a-z]/.test(name) ? `--${name}` : name;
  if (exception instanceof Fault) {
    const { code, message, hint } = exception;
    return new Fault(code, `${message} (${flag})`, { hint, cause: exception });
  }
  return misuse(`Cannot read "${input}" for ${flag}`, undefined, exception);
}

function misuse(message: string, hint?: string, cause?: unknown): Fault {
  return new Fault("invalid-input", message, {
    hint: hint ?? "See --help of the command",
    cause,
  });
}

function suggestion(flag: string | undefined): string | undefined {
  return flag === undefined ? undefined : `Did you mean --${kebab(flag)}?`;
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
