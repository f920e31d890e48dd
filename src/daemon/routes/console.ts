/**
 * Serves the serial console of a virtual machine as a WebSocket: binary frames
 * out, text or binary frames in, several viewers at once.
 *
 * @module
 */

import type { Context, Hono } from "hono";
import { Fault } from "../../lib/fault.ts";
import type { VmService } from "../vm/service.ts";

/** A viewer that lets more than this pile up is let go. */
const UNSENT_MAX = 1024 * 1024;

export function addConsole(app: Hono, vms: VmService): void {
  app.get("/ws/v1/vms/:name/console", async (context: Context) => {
    const vm = vms.get(context.req.param("name") ?? "");
    const live = vms.live(vm);
    if (live === undefined) {
      throw new Fault(
        "wrong-state",
        `Cannot open the console of VM "${vm.name}": it is ${vm.status}`,
        { hint: `Start it with volant vm start ${vm.name}` },
      );
    }
    if (context.req.header("upgrade")?.toLowerCase() !== "websocket") {
      throw new Fault(
        "invalid-input",
        `Cannot open the console of VM "${vm.name}": the request is not a WebSocket`,
        { hint: `Use volant vm console ${vm.name}` },
      );
    }
    const console = await live.machine.console();
    const { socket, response } = Deno.upgradeWebSocket(context.req.raw);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => void pump(console, socket);
    socket.onmessage = ({ data }) => void feed(console, data);
    socket.onclose = () => close(console);
    return response;
  });
}

async function pump(console: Deno.Conn, socket: WebSocket): Promise<void> {
  const chunk = new Uint8Array(4096);
  try {
    for (;;) {
      const count = await console.read(chunk);
      if (count === null || socket.readyState !== WebSocket.OPEN) break;
      if (socket.bufferedAmount > UNSENT_MAX) break;
      socket.send(chunk.slice(0, count));
    }
  } catch {
    // The viewer went and took the connection along.
  }
  if (socket.readyState === WebSocket.OPEN) socket.close(1000);
}

async function feed(
  console: Deno.Conn,
  data: string | ArrayBuffer,
): Promise<void> {
  const bytes = typeof data === "string"
    ? new TextEncoder().encode(data)
    : new Uint8Array(data);
  try {
    for (let done = 0; done < bytes.length;) {
      done += await console.write(bytes.subarray(done));
    }
  } catch {
    // The machine ended; the pump closes the socket.
  }
}

function close(console: Deno.Conn): void {
  try {
    console.close();
  } catch {
    // Closed already, by the machine's end.
  }
}
