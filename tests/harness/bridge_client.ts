/**
 * A client in a namespace that asks servers there in turn, a few at a time and
 * without a pause, over a new connection and over one that it holds; and counts
 * what fails.
 */

import type { Netns } from "./netns.ts";
import { until } from "./until.ts";

export interface Target {
  /** Whose page it must be. */
  readonly name: string;
  readonly host: string;
  /** Port of a web server. */
  readonly page: number;
  /** Port of a server that sends back what it gets. */
  readonly held: number;
}

export interface Counts {
  /** How often all were asked. */
  readonly rounds: number;
  readonly pages: number;
  readonly echoes: number;
  /** The page that took longest. */
  readonly slowestMs: number;
}

/** No packet is lost for long: TCP sends it again after 0.2, 0.6, 1.4 s. */
const ANSWER_MS = 10_000;
const START_MS = 60_000;

const PROGRAM = `
const [list, limit] = Deno.args;
const targets = JSON.parse(list);
const encode = (text) => new TextEncoder().encode(text);
const send = async (connection, bytes) => {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
};
const within = async (what, job) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer")), Number(limit));
  });
  try {
    return await Promise.race([job(), late]);
  } catch (error) {
    throw new Error(what + ": " + error.message);
  } finally {
    clearTimeout(timer);
  }
};
const page = async ({ name, host, page }) => {
  const response = await fetch("http://" + host + ":" + page + "/");
  const text = await response.text();
  if (text !== "page of " + name + "\\n") throw new Error("the page is " + text);
};
const echo = async (connection, count) => {
  const line = encode("line " + count + "\\n");
  await send(connection, line);
  const answer = new Uint8Array(line.length);
  for (let done = 0; done < answer.length;) {
    const read = await connection.read(answer.subarray(done));
    if (read === null) throw new Error("the connection was closed");
    done += read;
  }
  if (answer.some((byte, index) => byte !== line[index])) throw new Error("another echo");
};
const counts = { rounds: 0, pages: 0, echoes: 0, slowestMs: 0 };
const failures = [];
const tell = () => send(Deno.stdout, encode(JSON.stringify({ counts, failures }) + "\\n"));
const held = [];
for (const target of targets) {
  for (;;) {
    try {
      await page(target);
      const connection = await Deno.connect({ hostname: target.host, port: target.held });
      await echo(connection, 0);
      held.push(connection);
      break;
    } catch {
      // It does not listen yet.
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }
}
const ask = async (target, index) => {
  const where = target.name + " at " + target.host;
  const start = performance.now();
  await within(where + ", new connection", () => page(target))
    .then(() => counts.pages++, ({ message }) => failures.push(message));
  counts.slowestMs = Math.max(counts.slowestMs, Math.round(performance.now() - start));
  await within(where + ", held connection", () => echo(held[index], counts.rounds + 1))
    .then(() => counts.echoes++, ({ message }) => failures.push(message));
};
const lanes = 4;
for (;;) {
  await Promise.all(Array.from({ length: lanes }, async (_, lane) => {
    for (let at = lane; at < targets.length; at += lanes) await ask(targets[at], at);
  }));
  counts.rounds++;
  await tell();
}
`;

export class BridgeClient implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<void>;
  counts: Counts = { rounds: 0, pages: 0, echoes: 0, slowestMs: 0 };
  /** A sentence each. */
  failures: readonly string[] = [];

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#read = this.#follow();
  }

  /** Resolves once each was asked. */
  static async start(
    netns: Netns,
    targets: readonly Target[],
  ): Promise<BridgeClient> {
    const client = new BridgeClient(netns.spawn(
      ...[Deno.execPath(), "eval", "--no-config", "--no-check", PROGRAM],
      ...[JSON.stringify(targets), String(ANSWER_MS)],
    ));
    await until("each was asked", () => client.counts.rounds > 0, START_MS);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.stderr.cancel();
    await this.#read;
    await this.#child.status;
  }

  async #follow(): Promise<void> {
    let rest = "";
    for await (
      const text of this.#child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      const last = lines.at(-1);
      if (last === undefined) continue;
      const { counts, failures } = JSON.parse(last);
      this.counts = counts;
      this.failures = failures;
    }
  }
}
