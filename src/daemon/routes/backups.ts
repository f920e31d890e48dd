/**
 * The route of backups: a stream that is made as fast as it is read. One that
 * cannot be finished is cut off, which its reader sees.
 *
 * @module
 */

import { createBackup } from "../../api/backups.ts";
import { createBackupSchema } from "../../api/backups_schema.ts";
import type { Bytes } from "../../backup/writer.ts";
import type { Logger } from "../../lib/log.ts";
import type { Backups } from "../backup/backups.ts";
import { type Route, streamRoute } from "./route.ts";

/** Nothing goes on once `stop` aborts. */
export function backupRoutes(
  backups: Backups,
  log: Logger,
  stop: AbortSignal,
): Route[] {
  return [
    streamRoute(createBackup, createBackupSchema, async (input, context) => {
      const headers = { "content-type": "application/x-tar" };
      // Of a HEAD nobody would read the body, or end it.
      if (context.req.raw.method === "HEAD") {
        return new Response(null, { headers });
      }
      const { artifacts = true } = input;
      const gone = AbortSignal.any([context.req.raw.signal, stop]);
      const bytes = await backups.begin(artifacts, gone);
      return new Response(streamOf(bytes, gone, log), { headers });
    }),
  ];
}

function streamOf(
  bytes: Bytes,
  gone: AbortSignal,
  log: Logger,
): ReadableStream<Uint8Array> {
  const end = () => {
    bytes.return().catch((error: unknown) =>
      log.error("Cannot clean up after a backup: {error}", { error })
    );
  };
  gone.addEventListener("abort", end, { once: true });
  if (gone.aborted) end();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await bytes.next();
        // Ended by its reader, or by the daemon's stop: it must not look whole.
        if (done && gone.aborted) controller.error(gone.reason);
        else if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        if (!gone.aborted) log.error("A backup broke off: {error}", { error });
        controller.error(error);
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
}
