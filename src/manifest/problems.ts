/**
 * From what a schema found wrong to a fault for people: the key's path, its
 * line where the source is TOML, what is the case, and what to write.
 *
 * @module
 */

import type { z } from "zod";
import { Fault, type FaultCode } from "../lib/fault.ts";
import type { Problem } from "./cross_checks.ts";
import { type JsonSchema, jsonSchemaOf } from "./json_schema.ts";
import { nearest } from "./nearest.ts";
import type { TomlPositions } from "./toml_positions.ts";

/** How the examples in hints are written. */
export type ExampleStyle = "json" | "toml";

/** What was read: words for the message, and how to write examples. */
export interface Source {
  /** As in `Cannot read <what>`: `manifest "web.toml"`. */
  readonly what: string;
  readonly code: FaultCode;
  readonly positions?: TomlPositions | undefined;
}

/**
 * The problems a schema found, unknown keys first: a key that is missing is
 * often there under a mistyped name.
 */
export function problemsOf(
  error: z.ZodError,
  schema: z.ZodType,
  style: ExampleStyle,
): Problem[] {
  const shape = jsonSchemaOf(schema);
  const unknown = error.issues.filter((issue) => isUnknownKey(issue));
  const others = error.issues.filter((issue) => !isUnknownKey(issue));
  return [...unknown, ...others]
    .flatMap((issue) => problemsOfIssue(issue, shape, style));
}

function isUnknownKey(issue: z.core.$ZodIssue): boolean {
  return issue.code === "unrecognized_keys";
}

/** One fault for all problems: the first in its message, all in its details. */
export function problemFault(
  problems: readonly Problem[],
  source: Source,
): Fault {
  const [first] = problems;
  if (first === undefined) throw new TypeError("no problem to report");
  const more = problems.length - 1;
  const rest = more === 0 ? "" : ` (and ${more} more)`;
  return new Fault(
    source.code,
    `Cannot read ${source.what}: ${sentence(first, source)}${rest}`,
    {
      hint: first.hint,
      details: {
        problems: problems.map((problem) => ({
          path: pathText(problem.path),
          message: sentence(problem, source),
          hint: problem.hint,
        })),
      },
    },
  );
}

/** `workload.entrypoint[0]`, `env["a b"]`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z0-9_-]+$/.test(String(step))) {
      text += (text === "" ? "" : ".") + String(step);
    } else text += `[${JSON.stringify(String(step))}]`;
  }
  return text;
}

function sentence(problem: Problem, { positions }: Source): string {
  const position = positions?.find(problem.path);
  const place = position === undefined
    ? ""
    : `line ${position.line}, column ${position.column}: `;
  const subject = problem.path.length === 0
    ? "the whole"
    : pathText(problem.path);
  return `${place}${subject} ${problem.message}`;
}

function problemsOfIssue(
  issue: z.core.$ZodIssue,
  shape: JsonSchema,
  style: ExampleStyle,
): Problem[] {
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(nodeAt(shape, issue.path));
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      return {
        path: [...issue.path, key],
        message: "is not a known key",
        hint: meant === undefined
          ? `Remove it; the keys here are ${known.join(", ")}`
          : `Did you mean ${pathText([...issue.path, meant])}?`,
      };
    });
  }
  return [{
    path: issue.path,
    message: messageOf(issue),
    hint: hintFor(nodeAt(shape, issue.path), issue.path, style),
  }];
}

function knownKeys(node: JsonSchema | undefined): string[] {
  const names = node?.propertyNames?.enum?.map(String) ?? [];
  return [...Object.keys(node?.properties ?? {}), ...names];
}

function messageOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined
        ? "is missing"
        : `is ${kindOf(issue.input)}, not ${article(issue.expected)}`;
    case "invalid_value":
      return issue.input === undefined
        ? "is missing"
        : `is ${shown(issue.input)}, not ${alternatives(issue.values)}`;
    case "too_small":
      if (issue.origin === "string" || issue.origin === "array") {
        return "is empty";
      }
      return `is ${shown(issue.input)}, less than ${issue.minimum}`;
    case "too_big":
      return issue.origin === "string" || issue.origin === "array"
        ? `is longer than ${issue.maximum}`
        : `is ${shown(issue.input)}, more than ${issue.maximum}`;
    case "invalid_key":
      return issue.issues[0]?.message ?? "is not a valid name";
    case "invalid_union":
      if (issue.input === undefined) return "is missing";
      return `${issue.message}: ${shown(issue.input)}`;
    default:
      // A message of the schema's own continues the sentence by itself.
      return issue.message;
  }
}

function hintFor(
  node: JsonSchema | undefined,
  path: readonly PropertyKey[],
  style: ExampleStyle,
): string | undefined {
  const example = node?.examples?.[0];
  const name = path.findLast((step) => typeof step === "string");
  if (node === undefined || example === undefined || name === undefined) {
    return node?.description;
  }
  const written = style === "toml"
    ? `${String(name)} = ${tomlText(example)}`
    : `"${String(name)}": ${JSON.stringify(example)}`;
  return `${node.description ?? "Give it a value"}; for example ${written}`;
}

/** A value of an example in TOML, on one line. */
function tomlText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlText).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const pairs = Object.entries(value)
    .map(([key, each]) => `${JSON.stringify(key)} = ${tomlText(each)}`);
  return `{ ${pairs.join(", ")} }`;
}

/** The part of the schema that speaks of `path`; that of a list for its elements. */
function nodeAt(
  root: JsonSchema,
  path: readonly PropertyKey[],
): JsonSchema | undefined {
  let node: JsonSchema | undefined = root;
  for (const step of path) {
    const outer: JsonSchema | undefined = node;
    if (typeof step === "number") {
      const items: JsonSchema | undefined = outer?.items;
      node = items?.properties === undefined ? { ...outer, ...items } : items;
    } else {
      const rest: JsonSchema | boolean | undefined = outer
        ?.additionalProperties;
      node = outer?.properties?.[String(step)] ??
        (typeof rest === "object" ? { ...outer, ...rest } : undefined);
    }
    if (node === undefined) return undefined;
  }
  return node;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (value === null) return "null";
  if (value instanceof Date) return "a date";
  if (typeof value === "number") return `the number ${value}`;
  return article(typeof value);
}

function article(type: string): string {
  const names: Readonly<Record<string, string>> = {
    array: "a list",
    object: "a table of keys",
    record: "a table of keys",
    boolean: "true or false",
    int: "a whole number",
    string: "text",
  };
  return names[type] ?? `a ${type}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function alternatives(values: readonly unknown[]): string {
  const words = values.map((value) => shown(value));
  const last = words.pop() ?? "";
  return words.length === 0 ? last : `${words.join(", ")} or ${last}`;
}
