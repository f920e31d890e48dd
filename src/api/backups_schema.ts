/**
 * What the daemon takes and documents of backups.
 *
 * @module
 */

import { z } from "zod";
import { type EndpointSchema, queryBoolean } from "./endpoint_schema.ts";

export const createBackupSchema: EndpointSchema = {
  query: z.strictObject({
    artifacts: queryBoolean.optional().meta({
      description: "Whether the files that VMs boot from are in it",
    }),
  }),
  reply: z.string().meta({
    format: "binary",
    description: "The archive, as docs/backup.md says",
  }),
};
