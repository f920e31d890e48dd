/**
 * Reads TOML: text to a plain value and the places of its keys, or a fault
 * that names line and column.
 *
 * @module
 */

import { parse, TomlError } from "smol-toml";
import { Fault, type FaultCode } from "../lib/fault.ts";
import { type TomlPositions, tomlPositions } from "./toml_positions.ts";

export interface TomlDocument {
  readonly value: unknown;
  readonly positions: TomlPositions;
}

/** `what` as in `Cannot read <what>`: `manifest "web.toml"`. */
export function readToml(
  text: string,
  what: string,
  code: FaultCode,
): TomlDocument {
  try {
    return { value: parse(text), positions: tomlPositions(text) };
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    // The first line says what; a picture of the text follows it.
    const said = cause.message.split("\n", 1)[0] ?? "";
    const problem = said.replace(/^Invalid TOML document: /, "");
    throw new Fault(
      code,
      `Cannot read ${what}: line ${cause.line}, column ${cause.column}: ${problem}`,
      {
        cause,
        hint: "Mend the TOML at that place; text goes in quotes",
        details: { line: cause.line, column: cause.column },
      },
    );
  }
}
