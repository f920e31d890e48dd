/**
 * Tells everybody who listens what happened to VMs.
 *
 * Publishing never waits: a reader that is too slow is told so and dropped, it
 * can come back and name the last event it saw. The last events are held for
 * that; they do not survive the daemon.
 *
 * @module
 */

import type { VmEvent } from "../../api/events.ts";

const HELD = 1024;
const UNREAD_MAX = 256;

export class EventBus {
  readonly #held: VmEvent[] = [];
  readonly #readers = new Set<Reader>();
  /** Above all that an earlier daemon gave, so that replay misses nothing. */
  #lastId = Date.now() * 1000;

  publish(event: Omit<VmEvent, "id" | "timestamp">): void {
    const whole: VmEvent = {
      ...event,
      id: ++this.#lastId,
      timestamp: new Date().toISOString(),
    };
    this.#held.push(whole);
    if (this.#held.length > HELD) this.#held.shift();
    for (const reader of this.#readers) reader.put(whole);
  }

  /**
   * Events as they come; before them those held with an id above `after`. Ends
   * when `signal` aborts, or when the reader falls too far behind.
   */
  async *read(
    signal: AbortSignal,
    after?: number,
  ): AsyncGenerator<VmEvent, void, void> {
    const reader = new Reader(
      after === undefined ? [] : this.#held.filter(({ id }) => id > after),
    );
    this.#readers.add(reader);
    const stop = () => reader.end();
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (!signal.aborted) yield* reader.events();
    } finally {
      signal.removeEventListener("abort", stop);
      this.#readers.delete(reader);
    }
  }
}

class Reader {
  readonly #unread: VmEvent[];
  #ended = false;
  #more = Promise.withResolvers<void>();

  constructor(unread: VmEvent[]) {
    this.#unread = unread;
  }

  put(event: VmEvent): void {
    this.#unread.push(event);
    if (this.#unread.length > UNREAD_MAX + HELD) this.end();
    this.#more.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#more.resolve();
  }

  async *events(): AsyncGenerator<VmEvent, void, void> {
    while (!this.#ended) {
      const event = this.#unread.shift();
      if (event !== undefined) {
        yield event;
        continue;
      }
      await this.#more.promise;
      this.#more = Promise.withResolvers<void>();
    }
  }
}
