/**
 * Kernel options as text: fragments, `.config`, and what became of a wish.
 *
 * `make olddefconfig` drops in silence every option whose dependency is not met
 * and every name it does not know. A kernel that lacks what was asked for boots
 * all the same, and fails much later; so the two are compared here, by name.
 * Pure: files are read and programs run by others.
 *
 * @module
 */

import { Fault } from "../src/lib/fault.ts";

/** Name without `CONFIG_` to value as written; an option that is off has `n`. */
export type Options = ReadonlyMap<string, string>;

const SET_REGEXP = /^CONFIG_(\w+)=(.+)$/;
const UNSET_REGEXP = /^# CONFIG_(\w+) is not set$/;
const SYMBOL_REGEXP = /^\s*(?:menu)?config\s+(\w+)\s*$/gm;

/** The options of a fragment; a line that is neither option nor comment is an error. */
export function parseFragment(file: string, text: string): Options {
  const options = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    const option = parseLine(line);
    if (option === undefined) {
      if (line === "" || /^#(?! CONFIG_)/.test(line)) continue;
      throw fragmentFault(file, index, `"${line}" is no option`);
    }
    if (options.has(option.name)) {
      throw fragmentFault(file, index, `${option.name} is there twice`);
    }
    options.set(option.name, option.value);
  }
  return options;
}

/** The options of a `.config`, where every line the kernel wrote is right. */
export function parseConfig(text: string): Options {
  const options = new Map<string, string>();
  for (const line of text.split("\n")) {
    const option = parseLine(line);
    if (option !== undefined) options.set(option.name, option.value);
  }
  return options;
}

/** The text of a `.config`. */
export function formatConfig(options: Options): string {
  return [...options].map(([name, value]) =>
    value === "n"
      ? `# CONFIG_${name} is not set\n`
      : `CONFIG_${name}=${value}\n`
  ).join("");
}

/** One set of wishes out of several; a later fragment wins. */
export function mergeOptions(fragments: readonly Options[]): Options {
  return new Map(fragments.flatMap((fragment) => [...fragment]));
}

/** The names a Kconfig file defines. */
export function kconfigSymbols(text: string): string[] {
  return [...text.matchAll(SYMBOL_REGEXP)].map((match) => match[1] ?? "");
}

/** A sentence for each wish that `.config` does not fulfil. */
export function lostOptions(wanted: Options, config: Options): string[] {
  return [...wanted].flatMap(([name, value]) => {
    const got = config.get(name) ?? "n";
    return got === value ? [] : [`CONFIG_${name} is ${got}, not ${value}`];
  });
}

/** A sentence for each option, on or off, that the kernel does not know. */
export function unknownOptions(
  wanted: Options,
  symbols: ReadonlySet<string>,
): string[] {
  return [...wanted.keys()]
    .filter((name) => !symbols.has(name))
    .map((name) => `CONFIG_${name} does not exist`);
}

function parseLine(line: string): { name: string; value: string } | undefined {
  const unset = UNSET_REGEXP.exec(line)?.[1];
  if (unset !== undefined) return { name: unset, value: "n" };
  const [, name, value] = SET_REGEXP.exec(line) ?? [];
  return name === undefined || value === undefined
    ? undefined
    : { name, value };
}

function fragmentFault(file: string, index: number, what: string): Fault {
  return new Fault(
    "build-failed",
    `Cannot read kernel fragment "${file}": line ${index + 1}: ${what}`,
  );
}
