/**
 * Opens the WebSocket of a console with its handlers already in place.
 *
 * A guest may speak before the one who opened the socket has run on; what
 * arrives before there is a handler is lost. Hence not `Client.webSocket`.
 *
 * @module
 */

import { DAEMON_HOST, unixClient } from "../api/unix_client.ts";
import { consolePath } from "../api/vms.ts";
import { Fault } from "../lib/fault.ts";

export interface ConsoleEnd {
  readonly why: string;
  /** The daemon went; the machine runs on. */
  readonly isLost: boolean;
}

export interface ConsoleHandlers {
  readonly onBytes: (bytes: Uint8Array) => void;
  readonly onEnd: (end: ConsoleEnd) => void;
}

/** Of RFC 6455: the daemon stops, or the connection broke without a word. */
const LOST_CODES = [1001, 1006];

/** Resolves once it is open; closing the socket ends it. */
export async function openConsole(
  socketPath: string,
  name: string,
  { onBytes, onEnd }: ConsoleHandlers,
): Promise<WebSocket> {
  const client = unixClient(socketPath);
  const url = `ws://${DAEMON_HOST}${consolePath(name)}`;
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
    onEnd({ why: "the connection broke", isLost: true });
    reject(
      new Fault(
        "daemon-unavailable",
        `Cannot open the console of VM "${name}": ${text}`,
        { hint: "Try again, or see `volant vm get` for what has become of it" },
      ),
    );
  };
  socket.onclose = ({ code, reason }) => {
    client.close();
    onEnd({
      why: reason || "the machine has ended",
      isLost: LOST_CODES.includes(code),
    });
  };
  await promise;
  return socket;
}
