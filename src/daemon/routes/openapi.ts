/**
 * Prints the OpenAPI 3.1 document of the endpoints there are.
 *
 * @module
 */

import { z } from "zod";
import { FAULTS } from "../../lib/fault.ts";
import { CONTRACT, type Contract } from "./contract.ts";

type Json = Record<string, unknown>;

const FAULT_BODY = {
  type: "object",
  required: ["error", "code"],
  properties: {
    error: { type: "string", description: "What is the case, one sentence" },
    code: { enum: Object.keys(FAULTS) },
    hint: { type: "string", description: "What to do about it" },
    details: { type: "object" },
  },
};

export function openApiDocument(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const contract of CONTRACT) {
    const path = contract.endpoint.path.replaceAll(/:(\w+)/g, "{$1}");
    const item = paths[path] ??= {};
    item[contract.endpoint.method.toLowerCase()] = operation(contract);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Volant",
      version,
      description: "The control plane of microVMs on one Linux host",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: { schemas: { Fault: FAULT_BODY, ...namedSchemas() } },
  };
}

function operation({ endpoint, schema }: Contract): Json {
  const { id, tag, summary, status, faults } = endpoint;
  return {
    operationId: id,
    tags: [tag],
    summary,
    parameters: [
      ...parameters(schema.params, "path"),
      ...parameters(schema.query, "query"),
    ],
    ...(schema.body && {
      requestBody: {
        required: true,
        content: { "application/json": { schema: print(schema.body) } },
      },
    }),
    responses: {
      [status]: {
        description: "Done",
        ...(schema.reply && {
          content: {
            [endpoint.replyType ?? "application/json"]: {
              schema: reference(schema.reply),
            },
          },
        }),
      },
      ...faultResponses(faults),
    },
  };
}

function parameters(
  schema: z.ZodObject | undefined,
  where: "path" | "query",
): Json[] {
  if (schema === undefined) return [];
  // A query arrives as text; what it is read as says more.
  const { properties = {}, required = [] } = print(schema, "output") as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, each]) => {
    const { description, ...rest } = each;
    return {
      name,
      in: where,
      required: where === "path" || required.includes(name),
      ...(description !== undefined && { description }),
      schema: rest,
    };
  });
}

function faultResponses(faults: Contract["endpoint"]["faults"]): Json {
  const byStatus = new Map<number, string[]>();
  for (const code of ["invalid-input", ...faults, "bug"] as const) {
    const { status } = FAULTS[code];
    byStatus.set(status, [...new Set([...byStatus.get(status) ?? [], code])]);
  }
  return Object.fromEntries(
    [...byStatus].sort(([a], [b]) => a - b).map(([status, codes]) => [
      status,
      {
        description: codes.join(", "),
        content: {
          "application/json": {
            schema: { $ref: "#/components/schemas/Fault" },
          },
        },
      },
    ]),
  );
}

/** A schema with a name of its own is printed once, among the components. */
function reference(schema: z.ZodType): Json {
  if (schema instanceof z.ZodArray) {
    return { type: "array", items: reference(schema.element as z.ZodType) };
  }
  const id = schema.meta()?.id;
  return id === undefined
    ? print(schema)
    : { $ref: `#/components/schemas/${id}` };
}

function namedSchemas(): Json {
  const named: Json = {};
  for (const { schema: { reply } } of CONTRACT) {
    const each = reply instanceof z.ZodArray
      ? reply.element as z.ZodType
      : reply;
    const id = each?.meta()?.id;
    if (each !== undefined && id !== undefined) {
      const { id: _, ...json } = print(each);
      named[id] = json;
    }
  }
  return named;
}

function print(schema: z.ZodType, io: "input" | "output" = "input"): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
  });
  return json;
}
