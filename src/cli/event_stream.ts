/**
 * Reads server-sent events, and goes on where it was when the daemon comes back.
 *
 * Parsing follows the WHATWG's rules for `text/event-stream` as far as the
 * daemon uses them: `id` and `data`, comments as heartbeat.
 *
 * @module
 */

import { textParts } from "../api/client.ts";
import { isLost, reconnect, RECONNECT_PAUSE_MS } from "./reconnect.ts";

export interface ServerEvent {
  readonly id: string | undefined;
  readonly data: string;
}

/** Yields the events in `body`; one cut off by its end is dropped. */
export async function* parseEvents(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<ServerEvent, void, void> {
  let rest = "";
  let id: string | undefined;
  let data: string[] = [];
  for await (const text of textParts(body)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.map((raw) => raw.replace(/\r$/, ""))) {
      if (line.startsWith("id:")) id = line.slice(3).trim();
      if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      if (line !== "") continue;
      if (data.length > 0) yield { id, data: data.join("\n") };
      data = [];
    }
  }
}

/**
 * Yields events for as long as the daemon can be reached. `connect` is given
 * the last id seen, and throws a fault when it cannot.
 */
export async function* followEvents(
  connect: (
    lastId: string | undefined,
  ) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>,
  onLost: () => void,
  pauseMs: number = RECONNECT_PAUSE_MS,
): AsyncGenerator<ServerEvent, void, void> {
  let lastId: string | undefined;
  let body = await connect(lastId);
  for (;;) {
    try {
      for await (const event of parseEvents(body)) {
        lastId = event.id ?? lastId;
        yield event;
      }
    } catch (error) {
      if (!isLost(error)) throw error;
    }
    onLost();
    body = await reconnect(() => connect(lastId), pauseMs);
  }
}
