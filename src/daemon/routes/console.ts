/**
 * Serves the serial console of a virtual machine as a WebSocket: binary frames
 * out, text or binary frames in, several viewers at once.
 *
 * The monitor serves few clients, and needs some for stop and kill: so a viewer
 * gets a connection to it only when its own handshake is done, the viewers of a
 * machine are counted, and whichever way one ends its connection is closed.
 *
 * @module
 */

import type { Context, Hono } from "hono";
import { Fault } from "../../lib/fault.ts";
import type { Machine } from "../hypervisors/hypervisor.ts";
import type { VmService } from "../vm/service.ts";

/** Half of what a monitor takes. */
const VIEWERS_MAX = 8;
/** A viewer that lets more than this pile up is let go. */
const UNSENT_MAX = 1024 * 1024;
/** So is one that types more than this ahead of the machine. */
const UNFED_MAX = 64 * 1024;

/** Reasons, which may have 123 bytes: too few for a fault's own words. */
const FULL = `it has ${VIEWERS_MAX} viewers already`;
const STOPS = "the daemon stops";
const UNREACHABLE =
  "Cannot open the console: the machine's monitor does not answer";
const SLOW = "the viewer reads too slowly";
const FAST = "the machine does not take input that fast";

/** Close codes of RFC 6455. */
const NORMAL = 1000;
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
const TOO_BIG = 1009;
const INTERNAL_ERROR = 1011;

/** Viewers are let go when `stop` aborts. */
export function addConsole(app: Hono, vms: VmService, stop: AbortSignal): void {
  const viewers = new Viewers(stop);
  app.get("/ws/v1/vms/:name/console", (context: Context) => {
    const vm = vms.get(context.req.param("name") ?? "");
    const live = vms.live(vm);
    if (live === undefined) {
      throw new Fault(
        "wrong-state",
        cannotOpen(vm.name, `it is ${vm.status}`),
        {
          hint: `Start it with volant vm start ${vm.name}`,
        },
      );
    }
    if (viewers.isFull(live.machine)) {
      throw new Fault("wrong-state", cannotOpen(vm.name, FULL), {
        hint: "Close one of them",
      });
    }
    const { socket, response } = upgrade(context.req.raw, vm.name);
    new Viewer(socket, live.machine, viewers).attend();
    return response;
  });
}

function upgrade(request: Request, name: string): Deno.WebSocketUpgrade {
  try {
    return Deno.upgradeWebSocket(request);
  } catch (cause) {
    throw new Fault(
      "invalid-input",
      cannotOpen(name, "the request is not a WebSocket handshake"),
      { cause, hint: `Use volant vm console ${name}` },
    );
  }
}

function cannotOpen(name: string, why: string): string {
  return `Cannot open the console of VM "${name}": ${why}`;
}

/**
 * Those whose handshake is done. Who leaves before that is never heard of
 * again, so a place that was held for him would stay taken.
 */
class Viewers {
  readonly #all = new Map<Viewer, Machine>();
  readonly #stop: AbortSignal;

  constructor(stop: AbortSignal) {
    this.#stop = stop;
    stop.addEventListener("abort", () => {
      for (const viewer of this.#all.keys()) viewer.end(GOING_AWAY, STOPS);
    });
  }

  isFull(machine: Machine): boolean {
    const same = this.#all.values().filter((other) => other === machine);
    return same.toArray().length >= VIEWERS_MAX;
  }

  /** Whether there is place for the viewer; it is told if not. */
  add(viewer: Viewer, machine: Machine): boolean {
    if (this.#stop.aborted) viewer.end(GOING_AWAY, STOPS);
    else if (this.isFull(machine)) viewer.end(POLICY_VIOLATION, FULL);
    else this.#all.set(viewer, machine);
    return this.#all.has(viewer);
  }

  remove(viewer: Viewer): void {
    this.#all.delete(viewer);
  }
}

class Viewer {
  readonly #socket: WebSocket;
  readonly #machine: Machine;
  readonly #viewers: Viewers;
  #console: Deno.Conn | undefined;
  /** The first `#unfed` bytes are what the machine has not taken yet. */
  readonly #input = new Uint8Array(UNFED_MAX);
  #unfed = 0;
  #feeding = false;
  #ended = false;

  constructor(socket: WebSocket, machine: Machine, viewers: Viewers) {
    this.#socket = socket;
    this.#machine = machine;
    this.#viewers = viewers;
  }

  /** Begins as soon as the handshake is done. */
  attend(): void {
    const socket = this.#socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => void this.#open();
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onerror = () => this.end(NORMAL, "");
    socket.onclose = () => this.end(NORMAL, "");
  }

  /** Lets go of the machine at once, however long the viewer's side takes. */
  end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#viewers.remove(this);
    this.#console?.close();
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.close(code, reason);
    }
  }

  async #open(): Promise<void> {
    if (!this.#viewers.add(this, this.#machine)) return;
    let console: Deno.Conn;
    try {
      console = await this.#machine.console();
    } catch {
      // The machine ended since, or its monitor hangs: the reason says so.
      this.end(INTERNAL_ERROR, UNREACHABLE);
      return;
    }
    if (this.#ended) return console.close();
    this.#console = console;
    void this.#feed(console);
    await this.#show(console);
  }

  async #show(console: Deno.Conn): Promise<void> {
    const chunk = new Uint8Array(4096);
    try {
      for (;;) {
        const count = await console.read(chunk);
        if (count === null || this.#ended) break;
        if (this.#socket.bufferedAmount > UNSENT_MAX) {
          this.end(POLICY_VIOLATION, SLOW);
          break;
        }
        this.#socket.send(chunk.slice(0, count));
      }
    } catch {
      // The viewer went and took the connection along, or its monitor was killed.
    }
    this.end(NORMAL, "");
  }

  #take(data: string | ArrayBuffer): void {
    const bytes = typeof data === "string"
      ? new TextEncoder().encode(data)
      : new Uint8Array(data);
    if (this.#ended) return;
    if (this.#unfed + bytes.length > UNFED_MAX) {
      this.end(TOO_BIG, FAST);
      return;
    }
    this.#input.set(bytes, this.#unfed);
    this.#unfed += bytes.length;
    if (this.#console !== undefined) void this.#feed(this.#console);
  }

  /** One at a time, so that the bytes arrive in their order. */
  async #feed(console: Deno.Conn): Promise<void> {
    if (this.#feeding) return;
    this.#feeding = true;
    try {
      while (this.#unfed > 0) {
        const count = await console.write(this.#input.subarray(0, this.#unfed));
        this.#input.copyWithin(0, count, this.#unfed);
        this.#unfed -= count;
      }
    } catch {
      // The machine ended: that is told by the end of its output.
    }
    this.#feeding = false;
  }
}
