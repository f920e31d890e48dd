/**
 * Opens the WebSocket of a console with its handlers already in place.
 *
 * A guest may speak before the one who opened the socket has run on; what
 * arrives before there is a handler is lost. Hence not `Client.webSocket`.
 *
 * @module
 */

import { consolePath } from "../api/vms.ts";
import { Fault } from "../lib/fault.ts";

export interface ConsoleHandlers {
  readonly onBytes: (bytes: Uint8Array) => void;
  readonly onEnd: (why: string) => void;
}

/** Resolves once it is open; closing the socket ends it. */
export async function openConsole(
  socketPath: string,
  name: string,
  { onBytes, onEnd }: ConsoleHandlers,
): Promise<WebSocket> {
  const client = Deno.createHttpClient({
    proxy: { transport: "unix", path: socketPath },
  });
  const url = `ws://localhost${consolePath(name)}`;
  const socket = new WebSocket(url, { client });
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) =>
    onBytes(
      typeof data === "string"
        ? new TextEncoder().encode(data)
        : new Uint8Array(data),
    );
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.onopen = () => resolve();
  socket.onerror = (event) => {
    const text = event instanceof ErrorEvent ? event.message : "it broke off";
    onEnd("the connection broke");
    reject(
      new Fault(
        "daemon-unavailable",
        `Cannot open the console of VM "${name}": ${text}`,
        { hint: "Try again, or see `volant vm get` for what has become of it" },
      ),
    );
  };
  socket.onclose = ({ reason }) => {
    client.close();
    onEnd(reason || "the machine has ended");
  };
  await promise;
  return socket;
}
