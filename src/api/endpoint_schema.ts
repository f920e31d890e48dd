/**
 * What an endpoint's input and reply must look like, for the daemon and the
 * OpenAPI printer. Clients never import this: it brings the schema library.
 *
 * @module
 */

import { z } from "zod";

export interface EndpointSchema {
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  readonly reply?: z.ZodType;
}

/** Query words arrive as text. */
export const queryNumber = (min: number, max: number): z.ZodType<number> =>
  z.string().regex(/^\d+$/, "must be a whole number").transform(Number)
    .pipe(z.int().min(min).max(max));

export const queryBoolean: z.ZodType<boolean> = z.enum(["true", "false"])
  .transform((word) => word === "true").pipe(z.boolean());

export const noInput: EndpointSchema = {};
