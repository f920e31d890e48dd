/**
 * Prints the schema of a manifest for editors: a JSON Schema of what may be
 * written, so with keys that have a default left out.
 *
 * @module
 */

import { z } from "zod";
import { manifestSchema } from "./manifest_schema.ts";

/** A node of a printed JSON Schema, as far as our own schemas use them. */
export interface JsonSchema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

export function manifestJsonSchema(): JsonSchema {
  const schema = jsonSchemaOf(manifestSchema);
  // The reader of manifests fills it in from the name.
  const required = schema.required?.filter((key) => key !== "runtime") ?? [];
  return { ...schema, required };
}

/**
 * What may be written for `schema`. The printer leaves out default and
 * examples of each key whose spelling is forgiven, as it cannot know that they
 * are valid input; ours always are.
 */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: "input",
    override({ zodSchema, jsonSchema }) {
      const examples = z.globalRegistry.get(zodSchema)?.["examples"];
      if (Array.isArray(examples)) jsonSchema.examples = examples;
      const definition = zodSchema._zod.def;
      if (definition.type === "default") {
        jsonSchema.default = definition.defaultValue;
      }
    },
  }) as JsonSchema;
}
