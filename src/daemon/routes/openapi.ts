/**
 * Prints the OpenAPI 3.1 document of the routes that are served.
 *
 * @module
 */

import { z } from "zod";
import { FAULTS } from "../../lib/fault.ts";
import type { Route } from "./route.ts";

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

export function openApiDocument(
  routes: readonly Route[],
  version: string,
): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.endpoint.path.replaceAll(/:(\w+)/g, "{$1}");
    const item = paths[path] ??= {};
    item[route.endpoint.method.toLowerCase()] = operation(route);
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
    components: { schemas: { Fault: FAULT_BODY } },
  };
}

function operation({ endpoint, schema }: Route): Json {
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
              schema: print(schema.reply),
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
  const { properties = {}, required = [] } = print(schema) as {
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

function faultResponses(faults: Route["endpoint"]["faults"]): Json {
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

function print(schema: z.ZodType): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
  });
  return json;
}
