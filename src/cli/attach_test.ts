import assert from "node:assert/strict";
import { Client } from "../api/client.ts";
import type { LogLine } from "../api/vms.ts";
import { attach, LogPosition } from "./attach.ts";
import { fakeDaemon, fakeVm, fault } from "./fake_daemon.ts";

function line(timestamp: string, text: string): LogLine {
  return { timestamp, stream: "stdout", line: text };
}

const LOG = [
  line("T1", "a"),
  line("T2", "b"),
  line("T2", "c"),
  line("T3", "d"),
];

Deno.test("LogPosition leaves out what was read, not what has the same time", () => {
  const position = new LogPosition();
  const read = (lines: readonly LogLine[]) => {
    const isNew = position.reader();
    return lines.filter(isNew).map(({ line }) => line);
  };
  assert.deepEqual(read([...LOG.slice(0, 2), line("", "raw")]), [
    "a",
    "b",
    "raw",
  ]);
  assert.deepEqual(read([]), []);
  assert.deepEqual(read(LOG), ["c", "d"]);
  assert.deepEqual(read([line("T3", "d"), line("T3", "e")]), ["e"]);
  assert.deepEqual(read([line("T9", "the rest was rotated away")]).length, 1);
});

Deno.test("attach() goes on where it was when the daemon is back", async () => {
  let waits = 0;
  let logs = 0;
  await using daemon = await fakeDaemon(({ path }) => {
    if (path.endsWith("/logs")) {
      const lines = LOG.slice(0, ++logs === 1 ? 2 : undefined);
      return new Response(
        lines.map((one) => `${JSON.stringify(one)}\n`).join(""),
      );
    }
    // As a daemon that stops says; later it is another's answer.
    if (path.endsWith("/wait") && ++waits === 1) {
      return fault(503, "daemon-unavailable", "it stops");
    }
    return Response.json(fakeVm("web", { status: "stopped" }));
  });
  using client = new Client(daemon.socket);
  const printed: string[] = [];
  const said: string[] = [];
  const vm = await attach(client, {
    name: "web",
    print: ({ line }) => void printed.push(line),
    onLost: () => void said.push("lost"),
    onBack: () => void said.push("back"),
    signal: new AbortController().signal,
    pauseMs: 1,
  });
  assert.equal(vm.status, "stopped");
  assert.deepEqual(printed, ["a", "b", "c", "d"]);
  assert.deepEqual(said, ["lost", "back"]);
});

Deno.test("attach() asks again when the wait alone has run out", async () => {
  let waits = 0;
  await using daemon = await fakeDaemon(({ path }) => {
    if (path.endsWith("/logs")) return new Response("");
    return path.endsWith("/wait") && ++waits === 1
      ? fault(504, "timed-out", "a day is over")
      : Response.json(fakeVm("web"));
  });
  using client = new Client(daemon.socket);
  await attach(client, {
    name: "web",
    print: () => {},
    onLost: () => assert.fail("the daemon was there"),
    onBack: () => {},
    signal: new AbortController().signal,
  });
  assert.equal(waits, 2);
});

Deno.test("attach() ends with the fault of a VM that was deleted", async () => {
  await using daemon = await fakeDaemon(({ path }) =>
    path.endsWith("/logs")
      ? new Response(new ReadableStream())
      : fault(404, "vm-not-found", "Cannot find it")
  );
  using client = new Client(daemon.socket);
  await assert.rejects(
    attach(client, {
      name: "web",
      print: () => {},
      onLost: () => assert.fail("the daemon was there"),
      onBack: () => {},
      signal: new AbortController().signal,
    }),
    /Cannot find it/,
  );
});

Deno.test("attach() asks for the daemon again when it breaks off its answer", async () => {
  let waits = 0;
  await using daemon = await fakeDaemon(({ path }) => {
    if (path.endsWith("/logs")) return new Response("");
    return path.endsWith("/wait") && ++waits === 1
      ? new Response(ReadableStream.from(brokenOff()))
      : Response.json(fakeVm("web"));
  });
  using client = new Client(daemon.socket);
  const said: string[] = [];
  await attach(client, {
    name: "web",
    print: () => {},
    onLost: () => void said.push("lost"),
    onBack: () => void said.push("back"),
    signal: new AbortController().signal,
    pauseMs: 1,
  });
  assert.deepEqual(said, ["lost", "back"]);
});

async function* brokenOff(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield new TextEncoder().encode('{"half');
  await Promise.resolve();
  throw new Error("the daemon is killed");
}

Deno.test("attach() does not take a mistake of its caller's for a lost daemon", async () => {
  await using daemon = await fakeDaemon(({ path }) =>
    path.endsWith("/logs")
      ? new Response(`${JSON.stringify(LOG[0])}\n`)
      : new Response(new ReadableStream())
  );
  using client = new Client(daemon.socket);
  await assert.rejects(
    attach(client, {
      name: "web",
      print: () => {
        throw new TypeError("a mistake");
      },
      onLost: () => assert.fail("the daemon was there"),
      onBack: () => {},
      signal: new AbortController().signal,
      pauseMs: 1,
    }),
    /a mistake/,
  );
});
