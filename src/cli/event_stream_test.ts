import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import { followEvents, parseEvents, type ServerEvent } from "./event_stream.ts";

function bodyOf(...chunks: string[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(
    chunks.map((text) => new TextEncoder().encode(text)),
  );
}

Deno.test("parseEvents() joins chunks, skips comments, drops a cut-off event", async () => {
  const body = bodyOf(
    ": volant\n\nid: 7\nevent: VM_RUN",
    'NING\ndata: {"a":\ndata: 1}\n\n: alive\n\nid:8\r\ndata:x\r\n\r\nid: 9\ndata: y\n',
  );
  const events: ServerEvent[] = [];
  for await (const event of parseEvents(body)) events.push(event);
  assert.deepEqual(events, [
    { id: "7", data: '{"a":\n1}' },
    { id: "8", data: "x" },
  ]);
});

Deno.test("followEvents() goes on after the last id when the daemon is back", async () => {
  const asked: (string | undefined)[] = [];
  let lost = 0;
  const stream = followEvents(
    (lastId) => {
      asked.push(lastId);
      if (asked.length === 2) {
        return Promise.reject(new Fault("daemon-unavailable", "away"));
      }
      if (asked.length > 3) {
        return Promise.reject(new Fault("bug", "the end of the test"));
      }
      return Promise.resolve(bodyOf(`id: ${asked.length}\ndata: d\n\n`));
    },
    () => void lost++,
    1,
  );
  const ids: (string | undefined)[] = [];
  await assert.rejects(async () => {
    for await (const { id } of stream) ids.push(id);
  }, /the end of the test/);
  assert.deepEqual(ids, ["1", "3"]);
  assert.deepEqual(asked, [undefined, "1", "1", "3"]);
  assert.equal(lost, 2);
});

Deno.test("followEvents() fails at once when there is no daemon to begin with", async () => {
  const stream = followEvents(
    () => Promise.reject(new Fault("daemon-unavailable", "nobody")),
    () => {},
    1,
  );
  await assert.rejects(stream.next(), /nobody/);
});

Deno.test("followEvents() goes on when the daemon breaks the stream off", async () => {
  async function* brokenOff(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield new TextEncoder().encode("id: 1\ndata: d\n\n");
    await Promise.resolve();
    throw new TypeError("error reading a body from connection");
  }
  let connects = 0;
  const stream = followEvents(
    () =>
      ++connects === 1
        ? Promise.resolve(ReadableStream.from(brokenOff()))
        : Promise.reject(new Fault("bug", "the end of the test")),
    () => {},
    1,
  );
  assert.equal((await stream.next()).value?.id, "1");
  await assert.rejects(stream.next(), /the end of the test/);
});
