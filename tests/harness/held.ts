/**
 * A TCP connection that is held open to a server of a guest that sends back
 * whatever it gets: it goes on only if nothing on the way was ever cut.
 */

import assert from "node:assert/strict";
import { until } from "./until.ts";

/** The slowest emulated guest on a busy host. */
const ANSWER_MS = 20_000;

export class Held implements Disposable {
  readonly #connection: Deno.TcpConn;
  #count = 0;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Waits until somebody answers there. */
  static async open(hostname: string, port: number): Promise<Held> {
    let held: Held | undefined;
    await until(`${hostname}:${port} answers`, async () => {
      const connection = await Deno.connect({ hostname, port })
        .catch(() => undefined);
      if (connection === undefined) return false;
      held = new Held(connection);
      // Whoever forwards the port may take the connection before the guest does.
      const isHeld = await held.echo().then(() => true, () => false);
      if (!isHeld) held[Symbol.dispose]();
      return isHeld;
    });
    assert.ok(held);
    return held;
  }

  /** Sends a line of its own and reads it back; throws when it does not come. */
  async echo(): Promise<void> {
    const line = `line ${++this.#count}\n`;
    const bytes = new TextEncoder().encode(line);
    for (let done = 0; done < bytes.length;) {
      done += await this.#connection.write(bytes.subarray(done));
    }
    const timer = setTimeout(() => this[Symbol.dispose](), ANSWER_MS);
    try {
      const answer = new Uint8Array(bytes.length);
      for (let done = 0; done < answer.length;) {
        const count = await this.#connection.read(answer.subarray(done));
        assert.ok(count !== null, "the connection was closed");
        done += count;
      }
      assert.equal(new TextDecoder().decode(answer), line);
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // Closed because no answer came.
    }
  }
}
