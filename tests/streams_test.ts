/**
 * The daemon's streams under clients that behave badly: who goes without a word,
 * asks wrongly, comes in numbers or sends too much costs nobody else anything.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "./harness/appliance.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

const CONSOLE = "/ws/v1/vms/quiet/console";
const VIEWERS_MAX = 8;
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const HANDSHAKE = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
];

Deno.test("bad clients of a VM's streams leave nothing behind", async (t) => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "quiet",
    script: "echo up; sleep 100000",
  });
  const create = ["vm", "create", "quiet", "--manifest", manifest];
  await volant.run(...create, "--network", "none");
  await until("the workload has written", async () => {
    return (await volant.run("vm", "logs", "quiet")).includes("up");
  });
  const before = await idleDescriptors(volant);
  const asBefore = (what: string) =>
    until(`${what} leave no descriptor`, () => {
      return descriptors(volant.daemonPid).length <= before;
    });

  await t.step("a follower that goes is not read for any longer", async () => {
    const sockets: Deno.Conn[] = [];
    for (const path of ["logs?follow=true", "logs?follow=true&tail=0"]) {
      for (let count = 0; count < 8; count++) {
        sockets.push(await ask(volant, `/api/v1/vms/quiet/${path}`));
      }
    }
    await until("all are followed", () => openLogs(volant) === sockets.length);
    for (const socket of sockets) socket.close();
    await until("no log is open", () => openLogs(volant) === 0);
    await asBefore("followers");
  });

  await t.step("a reader of events that goes is forgotten", async () => {
    for (let count = 0; count < 8; count++) {
      using socket = await ask(volant, "/api/v1/events/vms");
      assert.match(await firstBytes(socket), /^HTTP\/1\.1 200 /);
    }
    await asBefore("readers of events");
  });

  await t.step("a bad handshake is a fault, and costs nothing", async () => {
    for (let count = 0; count < 20; count++) {
      using socket = await ask(volant, CONSOLE, HANDSHAKE);
      const answer = await firstBytes(socket);
      assert.match(answer, /^HTTP\/1\.1 400 /);
      assert.match(answer, /"code":"invalid-input"/);
    }
    await asBefore("bad handshakes");
  });

  await t.step("too many viewers are refused until one goes", async () => {
    const good = [...HANDSHAKE, `Sec-WebSocket-Key: ${KEY}`];
    const viewers: Deno.Conn[] = [];
    for (let count = 0; count < VIEWERS_MAX; count++) {
      const viewer = await ask(volant, CONSOLE, good);
      viewers.push(viewer);
      assert.match(await firstBytes(viewer), /^HTTP\/1\.1 101 /);
    }
    // A viewer counts once the daemon's side of the handshake is done, too.
    await until("the next one is refused", async () => {
      using refused = await ask(volant, CONSOLE, good);
      const answer = await firstBytes(refused);
      return answer.startsWith("HTTP/1.1 409 ") &&
        answer.includes("it has 8 viewers already");
    });
    for (const viewer of viewers) viewer.close();
    await until("there is room again", async () => {
      using viewer = await ask(volant, CONSOLE, good);
      return (await firstBytes(viewer)).startsWith("HTTP/1.1 101 ");
    });
  });

  await t.step("a viewer that floods is closed with 1009", async () => {
    assert.equal(await flood(volant, 1024 * 1024, 1), 1009);
    // Small frames are still under way when it closes: the client may see the
    // connection break before it reads the code.
    assert.ok([0, 1009].includes(await flood(volant, 4096, 4096)));
  });

  await t.step(
    "who goes in the handshake takes no viewer's place",
    async () => {
      const good = [...HANDSHAKE, `Sec-WebSocket-Key: ${KEY}`];
      for (let count = 0; count < 20; count++) {
        (await ask(volant, CONSOLE, good)).close();
      }
      // Until the daemon has seen them all go, some may have a place.
      await until("there is room", async () => {
        using viewer = await ask(volant, CONSOLE, good);
        return (await firstBytes(viewer)).startsWith("HTTP/1.1 101 ");
      });
    },
  );

  await t.step("the VM can be stopped after all that", async () => {
    await volant.run("vm", "stop", "--grace", "1s", "quiet");
    assert.equal((await volant.json("vm", "get", "quiet")).status, "stopped");
  });
});

Deno.test("a daemon that stops breaks the streams off, and the machine runs on", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "quiet",
    script: "echo up; sleep 100000",
  });
  const create = ["vm", "create", "quiet", "--manifest", manifest];
  await volant.run(...create, "--network", "none");
  const { pid } = await volant.json("vm", "get", "quiet");
  const path = "/api/v1/vms/quiet/logs?follow=true";
  using follower = await ask(volant, path);
  const { socket, closed } = await openViewer(volant);
  await until("the log is followed", () => openLogs(volant) === 1);
  const rest = text(follower);
  await volant.endDaemon("SIGTERM");
  // Without the last chunk: who follows must not take this for the VM's end.
  assert.doesNotMatch(await rest, /\r\n0\r\n\r\n$/);
  await closed;
  assert.equal(socket.readyState, WebSocket.CLOSED);
  await volant.startDaemon();
  assert.equal((await volant.json("vm", "get", "quiet")).pid, pid);
});

/** Sends `count` frames at once; the code the daemon closes with. */
async function flood(
  volant: TmpVolant,
  bytes: number,
  count: number,
): Promise<number> {
  const { socket, closed } = await openViewer(volant);
  const frame = new Uint8Array(bytes).fill("x".charCodeAt(0));
  for (let sent = 0; sent < count; sent++) {
    if (socket.readyState !== WebSocket.OPEN) break;
    socket.send(frame);
  }
  return (await closed).code;
}

/** An open viewer, and what will close it. */
async function openViewer(
  volant: TmpVolant,
): Promise<{ socket: WebSocket; closed: Promise<CloseEvent> }> {
  const client = Deno.createHttpClient({
    proxy: { transport: "unix", path: volant.socketPath },
  });
  const socket = new WebSocket(`ws://localhost${CONSOLE}`, { client });
  const { promise: closed, resolve } = Promise.withResolvers<CloseEvent>();
  const { promise: open, resolve: onOpen } = Promise.withResolvers<void>();
  socket.onopen = () => onOpen();
  socket.onclose = (event) => {
    client.close();
    resolve(event);
  };
  await Promise.race([open, closed]);
  assert.equal(socket.readyState, WebSocket.OPEN);
  return { socket, closed };
}

/** Asks by hand, so that the connection can be dropped at any point. */
async function ask(
  { socketPath }: TmpVolant,
  path: string,
  headers: readonly string[] = [],
): Promise<Deno.Conn> {
  const socket = await Deno.connect({ transport: "unix", path: socketPath });
  const lines = [`GET ${path} HTTP/1.1`, "Host: localhost", ...headers];
  await socket.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  return socket;
}

/** The head of an answer, and the body if it came with it. */
async function firstBytes(socket: Deno.Conn): Promise<string> {
  const bytes = new Uint8Array(4096);
  const count = await socket.read(bytes) ?? 0;
  return new TextDecoder().decode(bytes.subarray(0, count));
}

async function text(socket: Deno.Conn): Promise<string> {
  let whole = "";
  for (;;) {
    const more = await firstBytes(socket);
    if (more === "") return whole;
    whole += more;
  }
}

/** Number of the daemon's descriptors, once the requests so far are over. */
async function idleDescriptors(volant: TmpVolant): Promise<number> {
  let last = -1;
  await until("the daemon is idle", async () => {
    const before = last;
    await new Promise((wake) => setTimeout(wake, 200));
    last = descriptors(volant.daemonPid).length;
    return last === before;
  });
  return last;
}

/** How often the daemon has a workload's log open. */
function openLogs({ daemonPid }: TmpVolant): number {
  return descriptors(daemonPid)
    .filter((target) => target.endsWith("/output.log")).length;
}

/** What the descriptors of a process stand for. */
function descriptors(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return [...Deno.readDirSync(folder)].flatMap(({ name }) => {
    try {
      return [Deno.readLinkSync(`${folder}/${name}`)];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}
