/**
 * One GET over http or https whose every connection goes to an address that was
 * checked: the name is looked up once, and what was checked is what is
 * connected to, so a name that changes its mind in between gains nothing. That
 * is why this is not `fetch`, which looks names up by itself. The certificate
 * is still checked against the name. Proxies of the environment are not used.
 *
 * Redirects are answers here; `transfer.ts` follows them.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { Fault } from "../../lib/fault.ts";
import { whyRefused } from "./addresses.ts";

/** What is received before the disk has taken what came earlier. */
const WAITING_BYTES_MAX = 1024 ** 2;

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly allowLoopback: boolean;
  readonly signal: AbortSignal;
}

export interface Reply {
  readonly status: number;
  header(name: string): string | undefined;
  /** To be read to its end, or given up with `cancel`. */
  readonly body: AsyncIterable<Uint8Array>;
  cancel(): void;
}

/** Throws `invalid-input` for an address that is refused, else what the network threw. */
export async function httpGet(url: URL, options: GetOptions): Promise<Reply> {
  const { headers, allowLoopback, signal } = options;
  signal.throwIfAborted();
  const literal = url.hostname.replace(/^\[(.*)\]$/, "$1");
  // The network stack looks up names only, not addresses.
  if (isAddress(literal)) check(url, [literal], allowLoopback);
  const request = url.protocol === "https:" ? requestHttps : requestHttp;
  return await new Promise((resolve, reject) => {
    const asked = request(url, {
      // A connection of its own: one that is kept may be to another address.
      agent: false,
      headers,
      lookup: checkedLookup(url, allowLoopback),
    }, (message) => resolve(replyOf(message, signal)));
    const stop = () => asked.destroy(toError(signal.reason));
    signal.addEventListener("abort", stop, { once: true });
    asked.on("error", reject);
    asked.end();
  });
}

function replyOf(message: IncomingMessage, signal: AbortSignal): Reply {
  return {
    status: message.statusCode ?? 0,
    header(name) {
      const value = message.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    body: chunksOf(message, signal),
    cancel: () => message.destroy(),
  };
}

/**
 * What arrives, to the last byte before a connection breaks off: the message's
 * own iterator throws what it holds away then.
 */
async function* chunksOf(
  message: IncomingMessage,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const waiting: Uint8Array[] = [];
  let bytes = 0;
  let end: { readonly error?: unknown } | undefined;
  let wake = () => {};
  const finish = (error?: unknown) => {
    end ??= { error };
    wake();
  };
  message.on("data", (chunk: Uint8Array) => {
    waiting.push(chunk);
    bytes += chunk.length;
    if (bytes >= WAITING_BYTES_MAX) message.pause();
    wake();
  });
  // Destroying the request does not always end an answer that has begun.
  signal.addEventListener("abort", () => finish(signal.reason));
  message.on("end", () => finish());
  message.on("error", finish);
  message.on("close", () => finish(new Error("the connection was closed")));
  for (;;) {
    signal.throwIfAborted();
    const chunk = waiting.shift();
    if (chunk !== undefined) {
      bytes -= chunk.length;
      yield chunk;
    } else if (end === undefined) {
      message.resume();
      await new Promise<void>((resolve) => wake = resolve);
    } else if (end.error === undefined) {
      return;
    } else {
      throw end.error;
    }
  }
}

/** Looks a name up and hands on its addresses, or fails when one is refused. */
function checkedLookup(url: URL, allowLoopback: boolean): LookupFunction {
  return (name, options, done) => {
    const found = lookup(name, { all: true }).then((all) => {
      check(url, all.map(({ address }) => address), allowLoopback);
      return all;
    });
    found.then((all) => {
      const [first] = all;
      if (options.all) done(null, all);
      else done(null, first?.address ?? "", first?.family ?? 4);
    }, (error) => done(toError(error), []));
  };
}

function check(
  url: URL,
  addresses: readonly string[],
  allowLoopback: boolean,
): void {
  const own = Deno.networkInterfaces().map(({ address }) => address);
  for (const address of addresses) {
    const reason = whyRefused(address, { allowLoopback, own });
    if (reason === undefined) continue;
    throw new Fault(
      "invalid-input",
      `Cannot fetch artifact "${shownUrl(url)}": ${address} is ${reason}`,
      {
        hint: "Serve the file from another host, or give its path on this one",
        details: { address },
      },
    );
  }
}

function isAddress(host: string): boolean {
  return host.includes(":") || /^\d+(?:\.\d+){3}$/.test(host);
}

/** A URL without the password that may be in it. */
export function shownUrl(url: URL): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  return shown.href;
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
