/**
 * Prints the reference pages of the CLI from the commands themselves, so that
 * they cannot say something else; a test compares them with `docs/reference/`.
 *
 * @module
 */

import {
  type Application,
  buildApplication,
  type CommandContext,
  generateHelpTextForAllCommands,
} from "@stricli/core";
import { FAULTS } from "../lib/fault.ts";
import { applicationConfig } from "./application.ts";
import { COMMANDS, loadRoutes } from "./registry.ts";

/** docs/reference/cli.md */
export async function cliPage(): Promise<string> {
  const application = buildApplication(
    await loadRoutes(COMMANDS, []),
    applicationConfig("volant"),
  );
  const commands = generateHelpTextForAllCommands(
    // No help text asks for the context of a command.
    application as unknown as Application<CommandContext>,
  )
    .map(([route, text]) => `## ${route}\n\n${block(text)}`);
  return [
    "# Command line",
    "Printed by `volant docs cli`. `volar` is another name for `volant`, and\n" +
    "`fledge ARGS` is `volant build ARGS`.",
    block(COMMANDS.text ?? ""),
    "A command that fails prints `error:` and, where there is a remedy, `hint:` on\n" +
    "stderr, and ends with the exit status of [its fault](faults.md). With `--json`\n" +
    "the error is one JSON object with `error`, `code`, `hint` and `details`.",
    ...commands,
  ].join("\n\n") + "\n";
}

/** docs/reference/faults.md */
export function faultsPage(): string {
  const rows = Object.entries(FAULTS).map((
    [code, { status, exit, meaning }],
  ) => [`\`${code}\``, String(status), String(exit), meaning]);
  return [
    "# Faults",
    "Printed by `volant docs faults`. The API sends the code in `code` with the HTTP\n" +
    "status; the CLI ends with the exit status, after `sysexits.h` where one fits.",
    markdownTable(["Code", "HTTP status", "Exit status", "Meaning"], rows),
  ].join("\n\n") + "\n";
}

function block(text: string): string {
  const lines = text.trimEnd().split("\n").map((line) => line.trimEnd());
  return `\`\`\`text\n${lines.join("\n")}\n\`\`\``;
}

function markdownTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = heading.map((_, column) =>
    Math.max(...[heading, ...rows].map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")
    } |`;
  const rule = line(widths.map((width) => "-".repeat(width)));
  return [line(heading), rule, ...rows.map(line)].join("\n");
}
