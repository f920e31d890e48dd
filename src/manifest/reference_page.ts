/**
 * Prints docs/reference/manifest.md from the schema: a table of all keys with
 * type, default and meaning. A test compares the page with what is printed.
 *
 * @module
 */

import { type JsonSchema, manifestJsonSchema } from "./json_schema.ts";

const HEAD = `# The manifest

What Volant needs to know to run a workload in a microVM: a \`manifest.json\`, or the same keys in a
\`manifest.toml\`. This page is printed from the schema by \`src/manifest/reference_page.ts\`: change the schema, not
the page.

\`name[]\` is an element of a list, \`name.*\` an entry under a name of your choice. A key with no default and not
*required* may be left out. A key that is not listed is refused, with its path and the nearest key that is. Of
\`rootfs\` and \`initramfs\` at least one must be given.

`;

const TABLE_HEAD = `| key | type | default | meaning |
|---|---|---|---|
`;

const FOOT = `
## Spellings that are also read

Manifests of the original and of its builder are accepted as they are, and come out in the spelling above:

- Keys in any case, unless two of one section would then be the same; names of your own are left as they are.
- \`runtime\` absent: the name. \`schema_version\` absent, \`1\` or \`1.0\`: \`v1\`. \`enabled\` absent: true.
- \`workload.entrypoint\` as one string: a list of that one string, not split at spaces; \`workload.args\` follow it.
- \`env\` at the top level: \`workload.env\`, whose own entries win.
- \`null\`, and a section whose strings are all empty: as if absent. So are a file with an empty \`url\`, an action and
  a variable without a name.
- A path below the workload's root without its first \`/\` (\`workdir\`, \`endpoint\`, \`path\`); a PCI address without
  its domain.
- \`file:///a\` as \`/a\`, and \`file://a\` as \`a\` beside the manifest; a checksum without \`sha256:\`; words of a
  list, methods and signals in any case; spaces around names, words and addresses.
- \`initramfs.format\`, \`network.subnet\`, \`network.gateway\`, \`network.auto_assign\`: read and left out, as they
  never had an effect.
- A document of \`cloud_init\` as plain text or, in \`meta_data\`, as a table.
- A limit of \`workload.rlimits\` as one number: both soft and hard.

Arguments and values of variables are never trimmed or dropped. The labels \`volant.plugin\` and \`volant.runtime\` are
always set, to the name and the runtime.
`;

/** The whole page, in Markdown. */
export function manifestReferencePage(): string {
  return HEAD + keyTable(manifestJsonSchema()) + FOOT;
}

/** A table of all keys of a schema. */
export function keyTable(schema: JsonSchema): string {
  return `${TABLE_HEAD}${rowsOf(schema, "").join("\n")}\n`;
}

function rowsOf(node: JsonSchema, prefix: string): string[] {
  const required = new Set(node.required ?? []);
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const key = prefix + name;
    return [row(key, child, required.has(name)), ...rowsBelow(key, child)];
  });
}

function rowsBelow(key: string, node: JsonSchema): string[] {
  if (node.items?.properties !== undefined) {
    return rowsOf(node.items, `${key}[].`);
  }
  const entry = node.additionalProperties;
  if (typeof entry === "object" && entry.properties !== undefined) {
    return rowsOf(entry, `${key}.*.`);
  }
  return rowsOf(node, `${key}.`);
}

function row(key: string, node: JsonSchema, isRequired: boolean): string {
  const fallback = isRequired ? "*required*" : defaultText(node.default);
  return `| \`${key}\` | ${typeText(node)} | ${fallback} | ${
    escaped(node.description ?? "")
  } |`;
}

function defaultText(value: unknown): string {
  if (value === undefined) return "";
  const text = JSON.stringify(value);
  return text === "[]" || text === "{}" ? "" : `\`${text}\``;
}

function typeText(node: JsonSchema): string {
  if (node.enum !== undefined) {
    return node.enum.map((word) => `\`${word}\``).join(", ");
  }
  if (node.const !== undefined) return `\`${node.const}\``;
  if (node.anyOf !== undefined) {
    return [...new Set(node.anyOf.map(typeText))].join(" or ");
  }
  if (node.type === "array") return `list of ${plural(node.items)}`;
  if (node.type === "object") {
    const entry = node.additionalProperties;
    return typeof entry === "object" ? `names to ${plural(entry)}` : "section";
  }
  return node.type ?? "any";
}

function plural(node: JsonSchema | undefined): string {
  const text = node === undefined ? "any" : typeText(node);
  return text.startsWith("`") || text === "any" ? text : `${text}s`;
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|");
}
