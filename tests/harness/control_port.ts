/**
 * The host's end of a control port: a socket that QEMU listens on. Every line
 * the guest says is kept in order until a test asks for it.
 *
 * @module
 */

import {
  ControlLines,
  formatHostLine,
  type GuestMessage,
  type HostMessage,
  parseGuestLine,
} from "../../src/guest/control.ts";
import { until } from "./until.ts";

export class ControlPort {
  readonly #path: string;
  #connection: Deno.UnixConn | undefined;
  #reading: Promise<void> | undefined;
  #lines: string[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  /** Connects, and reads all that comes from now on. */
  async open(): Promise<void> {
    await this.connect();
    this.#reading = this.#read();
  }

  /** Connects without reading: a host that never listens. */
  async connect(): Promise<void> {
    await until("QEMU listens on the control port", async () => {
      try {
        this.#connection = await Deno.connect({
          transport: "unix",
          path: this.#path,
        });
        return true;
      } catch {
        // Not yet there, or not yet listening.
        return false;
      }
    });
  }

  /** Starts to read on a connection that `connect` made. */
  listen(): void {
    this.#reading = this.#read();
  }

  close(): void {
    try {
      this.#connection?.close();
    } catch (error) {
      // The machine has ended, and the reader closed it.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    this.#connection = undefined;
    this.#lines = [];
  }

  async send(message: HostMessage): Promise<void> {
    await this.sendBytes(new TextEncoder().encode(formatHostLine(message)));
  }

  async sendBytes(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#connection?.write(bytes.subarray(at)) ?? bytes.length;
    }
  }

  /** The next line, whatever it is. */
  async next(): Promise<string> {
    await until("the guest says something", () => this.#lines.length > 0);
    return this.#lines.shift() ?? "";
  }

  /** The next message of this kind; what comes before it is let go. */
  async message<Kind extends GuestMessage["kind"]>(
    kind: Kind,
  ): Promise<Extract<GuestMessage, { kind: Kind }>> {
    let last = "nothing";
    const end = performance.now() + 30_000;
    while (performance.now() < end) {
      last = await this.next();
      const message = parseGuestLine(last);
      if (message !== undefined && isKind(message, kind)) return message;
    }
    throw new Error(`Waited in vain for "${kind}"; the last line: ${last}`);
  }

  /** All lines until the machine ends. */
  async rest(): Promise<readonly string[]> {
    await this.#reading;
    return this.#lines;
  }

  async #read(): Promise<void> {
    const connection = this.#connection;
    const lines = new ControlLines();
    const buffer = new Uint8Array(65536);
    try {
      for (;;) {
        const count = await connection?.read(buffer) ?? null;
        if (count === null) return;
        this.#lines.push(...lines.push(buffer.subarray(0, count)));
      }
    } catch (error) {
      // Closed by the test, or reset by a QEMU that ended.
      if (
        !(error instanceof Deno.errors.BadResource) &&
        !(error instanceof Deno.errors.Interrupted) &&
        !(error instanceof Deno.errors.ConnectionReset)
      ) throw error;
    }
  }
}

function isKind<Kind extends GuestMessage["kind"]>(
  message: GuestMessage,
  kind: Kind,
): message is Extract<GuestMessage, { kind: Kind }> {
  return message.kind === kind;
}
