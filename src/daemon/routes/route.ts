/**
 * Joins an endpoint, its schema and a handler into one served route.
 *
 * Input is checked here and nowhere else: what a handler gets is of the type
 * the endpoint promises. The same schema prints the OpenAPI document, so that
 * what is served and what is documented cannot drift apart.
 *
 * @module
 */

import type { Context, Hono } from "hono";
import { z } from "zod";
import type { Endpoint } from "../../api/endpoint.ts";
import type { EndpointSchema } from "../../api/endpoint_schema.ts";
import { Fault } from "../../lib/fault.ts";
import { problemFault, problemsOf } from "../../manifest/problems.ts";

export interface Route {
  readonly endpoint: Endpoint;
  readonly schema: EndpointSchema;
  readonly answer: (context: Context) => Promise<Response>;
}

/** A route that answers with one JSON value, or with nothing for 204. */
export function route<Input, Reply>(
  endpoint: Endpoint<Input, Reply>,
  schema: EndpointSchema,
  handle: (input: Input, context: Context) => Promise<Reply> | Reply,
): Route {
  return {
    endpoint,
    schema,
    async answer(context) {
      const reply = await handle(await readInput(schema, context), context);
      return endpoint.status === 204
        ? context.body(null, 204)
        : context.json(reply as object, endpoint.status);
    },
  };
}

/** A route whose handler makes the response itself: a stream. */
export function streamRoute<Input, Reply>(
  endpoint: Endpoint<Input, Reply>,
  schema: EndpointSchema,
  handle: (input: Input, context: Context) => Promise<Response> | Response,
): Route {
  return {
    endpoint,
    schema,
    answer: async (context) =>
      await handle(await readInput(schema, context), context),
  };
}

export function addRoutes(app: Hono, routes: readonly Route[]): void {
  for (const { endpoint, answer } of routes) {
    app.on(endpoint.method, endpoint.path, answer);
  }
}

async function readInput<Input>(
  schema: EndpointSchema,
  context: Context,
): Promise<Input> {
  const parts = [
    check(schema.params, context.req.param(), "path"),
    check(schema.query, context.req.query(), "query"),
    schema.body === undefined
      ? {}
      : check(schema.body, await readBody(context), "request body"),
  ];
  // The schemas of an endpoint are its input type; a test holds them together.
  return Object.assign({}, ...parts) as Input;
}

function check(
  schema: z.ZodObject | undefined,
  value: unknown,
  what: string,
): object {
  const wanted = schema ?? z.strictObject({});
  const result = wanted.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw problemFault(problemsOf(result.error, wanted, "json"), {
    what,
    code: "invalid-input",
  });
}

async function readBody(context: Context): Promise<unknown> {
  try {
    return await context.req.json();
  } catch (cause) {
    throw new Fault(
      "invalid-input",
      "Cannot read request body: it is not JSON",
      {
        cause,
        hint: "Send a JSON object with content-type: application/json",
      },
    );
  }
}
