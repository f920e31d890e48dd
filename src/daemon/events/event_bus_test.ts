import assert from "node:assert/strict";
import type { VmEvent } from "../../api/events.ts";
import { EventBus } from "./event_bus.ts";

const EVENT = {
  type: "VM_CREATED",
  name: "web",
  status: "pending",
  message: "",
} as const;

async function take(
  events: AsyncGenerator<VmEvent, void, void>,
  count: number,
): Promise<number[]> {
  const ids: number[] = [];
  for await (const { id } of events) {
    ids.push(id);
    if (ids.length === count) break;
  }
  return ids;
}

Deno.test("EventBus replays what a reader missed, then goes on", async () => {
  const bus = new EventBus();
  for (let count = 0; count < 3; count++) bus.publish(EVENT);
  const end = new AbortController();
  const [first = 0] = await take(bus.read(end.signal, 0), 1);
  const read = take(bus.read(end.signal, first), 3);
  bus.publish(EVENT);
  assert.deepEqual(await read, [first + 1, first + 2, first + 3]);
});

Deno.test("EventBus lets go of a reader that aborts", async () => {
  const bus = new EventBus();
  const end = new AbortController();
  const read = take(bus.read(end.signal), 1);
  end.abort();
  assert.deepEqual(await read, []);
});

Deno.test("EventBus drops a reader that does not read", async () => {
  const bus = new EventBus();
  const slow = bus.read(new AbortController().signal);
  const first = slow.next();
  for (let count = 0; count < 3000; count++) bus.publish(EVENT);
  assert.equal((await first).done, true);
  assert.equal((await slow.next()).done, true);
});
