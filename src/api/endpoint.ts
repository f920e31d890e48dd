/**
 * How one HTTP endpoint is described.
 *
 * The description is all that the daemon and its clients share: it types the
 * client, the daemon joins it with its schemas (`*_schema.ts`) to check input
 * and to print the OpenAPI document. It holds no schema library, so that a
 * client starts quickly.
 *
 * An input is one flat object: fields named in the path travel there, those
 * listed in `query` (all others of a GET or DELETE) in the query string, the
 * rest in the JSON body.
 *
 * @module
 */

import type { FaultCode } from "../lib/fault.ts";

export interface Endpoint<Input = unknown, Reply = unknown> {
  /** Names the endpoint in code, in OpenAPI (`operationId`) and in logs. */
  readonly id: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Parameters are written `:name`. */
  readonly path: `/${string}`;
  readonly tag: string;
  readonly summary: string;
  /** Status of success. 204 has no reply. */
  readonly status: 200 | 201 | 204;
  /** Media type of the reply. Streams are read by `Client.stream`. */
  readonly replyType?:
    | "application/x-ndjson"
    | "text/event-stream"
    | "application/x-tar";
  /** Fields that travel in the query string although there is a body. */
  readonly query?: readonly string[];
  readonly faults: readonly FaultCode[];
  /** Carries the types; never set. */
  readonly types?: { readonly input: Input; readonly reply: Reply };
}

export function endpoint<Input, Reply>(
  description: Omit<Endpoint<Input, Reply>, "types">,
): Endpoint<Input, Reply> {
  return description;
}

/** Splits an input into the URL and the body it travels in. */
export function encodeInput(
  { method, path, query = [] }: Endpoint,
  input: Readonly<Record<string, unknown>>,
): { readonly url: string; readonly body: string | undefined } {
  const rest: Record<string, unknown> = { ...input };
  const take = (field: string) => {
    const value = rest[field];
    delete rest[field];
    return value;
  };
  const pathname = path.replaceAll(
    /:(\w+)/g,
    (_, field: string) => encodeURIComponent(String(take(field))),
  );
  const hasBody = method !== "GET" && method !== "DELETE";
  const inQuery = hasBody ? query : Object.keys(rest);
  const words = new URLSearchParams();
  for (const field of inQuery) {
    const value = take(field);
    if (value !== undefined) words.append(field, String(value));
  }
  const url = words.size > 0 ? `${pathname}?${words}` : pathname;
  return { url, body: hasBody ? JSON.stringify(rest) : undefined };
}
