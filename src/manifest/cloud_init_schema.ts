/**
 * Schema of a manifest's `cloud_init`: the documents a cloud image reads at
 * its first boot. A document may be written as plain text, as the original's
 * `{inline, content, path}`, or, for meta data in a manifest.toml, as a table.
 *
 * @module
 */

import { z } from "zod";
import { oneOf, verbatim, word } from "./field_schema.ts";

const DOCUMENT_KEYS = new Set(["inline", "content", "path"]);

const documentSchema = z.preprocess(
  spellDocument,
  z.strictObject({
    inline: z.boolean().meta({
      description: "Whether the text is in `content`, not in a file",
    }),
    content: verbatim().optional().meta({
      description: "The document",
      examples: ["#cloud-config\n"],
    }),
    path: word(4095).optional().meta({
      description:
        "File that holds the document; read when the manifest is installed",
      examples: ["user-data.yaml"],
    }),
  }).refine(
    ({ inline, content, path }) =>
      inline
        ? content !== undefined && path === undefined
        : path !== undefined && content === undefined,
    { error: "has both content and path, or inline does not agree with them" },
  ),
);

export const cloudInitSchema = z.strictObject({
  datasource: z.preprocess(
    (value) => /^nocloud$/i.test(String(value).trim()) ? "NoCloud" : value,
    z.literal("NoCloud"),
  ).default("NoCloud").meta({
    description: "Data source",
    examples: ["NoCloud"],
  }),
  seed_mode: oneOf(["vfat"]).default("vfat").meta({
    description: "File system of the seed disk",
    examples: ["vfat"],
  }),
  user_data: documentSchema.optional().meta({
    description: "User data",
    examples: ["#cloud-config\n"],
  }),
  meta_data: documentSchema.optional().meta({
    description: "Meta data; instance id and host name when absent",
    examples: ["instance-id: web-1\n"],
  }),
  network_config: documentSchema.optional().meta({
    description: "Network configuration",
    examples: ["version: 2\n"],
  }),
});

/** The three spellings made one; `inline` follows from what is there. */
function spellDocument(value: unknown): unknown {
  if (typeof value === "string") return { inline: true, content: value };
  if (typeof value !== "object" || value === null) return value;
  const { inline, content, path, ...rest } = value as Record<string, unknown>;
  const isTable = Object.keys(rest).length > 0 &&
    !Object.keys(value).some((key) => DOCUMENT_KEYS.has(key));
  // JSON is YAML, which is what cloud-init reads.
  if (isTable) return { inline: true, content: JSON.stringify(value) };
  const hasPath = path !== undefined && !isBlank(path);
  const hasContent = content !== undefined && !(hasPath && isBlank(content));
  return {
    ...rest,
    inline: inline ?? !hasPath,
    ...(hasContent && { content }),
    ...(hasPath && { path }),
  };
}

function isBlank(value: unknown): boolean {
  return typeof value === "string" && value.trim() === "";
}
