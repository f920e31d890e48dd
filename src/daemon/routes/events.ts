/**
 * Serves the events of virtual machines as server-sent events.
 *
 * @module
 */

import { streamSSE } from "hono/streaming";
import { vmEvents } from "../../api/events.ts";
import { vmEventsSchema } from "../../api/system_schema.ts";
import type { EventBus } from "../events/event_bus.ts";
import { type Route, streamRoute } from "./route.ts";

/** Keeps proxies from closing a quiet stream, and tells a dead reader. */
const HEARTBEAT_MS = 15_000;

export function eventRoutes(bus: EventBus, stop: AbortSignal): Route[] {
  return [
    streamRoute(vmEvents, vmEventsSchema, ({ vm }, context) => {
      const after = context.req.header("last-event-id");
      return streamSSE(context, async (stream) => {
        const end = new AbortController();
        stream.onAbort(() => end.abort());
        const heartbeat = setInterval(
          () => void stream.write(": alive\n\n"),
          HEARTBEAT_MS,
        );
        try {
          // Sent at once, so that a client knows that it listens.
          await stream.write(": volant\n\n");
          const events = bus.read(
            AbortSignal.any([end.signal, stop]),
            after === undefined ? undefined : Number(after),
          );
          for await (const event of events) {
            if (vm !== undefined && event.name !== vm) continue;
            await stream.writeSSE({
              id: String(event.id),
              event: event.type,
              data: JSON.stringify(event),
            });
          }
        } finally {
          clearInterval(heartbeat);
        }
      });
    }),
  ];
}
