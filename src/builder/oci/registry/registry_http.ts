/**
 * GET and POST as registries need them: redirects are followed by hand, because
 * credentials must not follow to another host; a server that says nothing, or
 * stops in the middle, is not waited for.
 *
 * Proxies are those of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). No
 * message quotes a URL whole: those of storage behind a registry carry secrets.
 *
 * @module
 */

import { within } from "../../../lib/deadline.ts";
import { version } from "../../../lib/self.ts";
import { keepingLoopback } from "./proxies.ts";
import { Transient } from "./retrying.ts";
import { transportProblem, Unreachable } from "./transport_problem.ts";

export interface HttpRules {
  /** Until the headers of an answer are there. */
  readonly headersMs: number;
  /** Between one piece of a body and the next. */
  readonly stallMs: number;
}

export const HTTP_RULES: HttpRules = { headersMs: 30_000, stallMs: 60_000 };

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  /** Goes to the first host only. */
  readonly authorization?: string | undefined;
  /** The body of a POST. */
  readonly form?: URLSearchParams;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly response: Response;
  /** Where redirects have led. */
  readonly url: URL;
}

const REDIRECTS_MAX = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

export class RegistryHttp implements Disposable {
  readonly rules: HttpRules;
  readonly #client: Deno.HttpClient;

  constructor(caCerts: readonly string[], rules: HttpRules = HTTP_RULES) {
    this.rules = rules;
    this.#client = keepingLoopback(() =>
      Deno.createHttpClient({ caCerts: [...caCerts] })
    );
  }

  /** The answer, whatever its status; the body is the caller's to read or cancel. */
  async send(from: URL, sent: Sent): Promise<Answer> {
    let url = from;
    let { authorization } = sent;
    for (let redirects = 0;; redirects++) {
      const response = await this.#once(url, { ...sent, authorization });
      const location = response.headers.get("location");
      const isRedirect = REDIRECTS.includes(response.status) &&
        location !== null && sent.form === undefined;
      if (!isRedirect) return { response, url };
      await discard(response);
      if (redirects >= REDIRECTS_MAX) {
        throw misled(`${url.host} redirects in circles`);
      }
      const next = target(location, url);
      if (next.origin !== url.origin) authorization = undefined;
      url = next;
    }
  }

  /** The pieces of a body. */
  async *body(response: Response): AsyncGenerator<Uint8Array> {
    const reader = response.body?.getReader();
    if (reader === undefined) return;
    try {
      for (;;) {
        const next = await this.#read(reader);
        if (next === undefined) return;
        yield next;
      }
    } finally {
      // What is not wanted any more may have failed, too.
      reader.cancel().catch(() => {});
    }
  }

  /** A whole body; undefined if it has more bytes than that. */
  async bytes(
    response: Response,
    bytesMax: number,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of this.body(response)) {
      size += part.length;
      if (size > bytesMax) return undefined;
      parts.push(part);
    }
    const whole = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #once(
    url: URL,
    { headers, authorization, form, signal }: Sent,
  ): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), this.rules.headersMs);
    try {
      return await fetch(url, {
        method: form === undefined ? "GET" : "POST",
        headers: {
          "user-agent": `volant/${version()}`,
          // The bytes of a blob are those its digest names, not unpacked ones.
          "accept-encoding": "identity",
          ...headers,
          ...(authorization === undefined ? {} : { authorization }),
        },
        ...(form === undefined ? {} : { body: form }),
        redirect: "manual",
        client: this.#client,
        signal: AbortSignal.any([signal, late.signal]),
      });
    } catch (error) {
      signal.throwIfAborted();
      if (late.signal.aborted) throw silent(url, this.rules.headersMs);
      throw transportProblem(error, url);
    } finally {
      clearTimeout(timer);
    }
  }

  async #read(
    reader: ReadableStreamDefaultReader<Uint8Array>,
  ): Promise<Uint8Array | undefined> {
    const { stallMs } = this.rules;
    const reading = reader.read().catch((cause) => {
      throw new Transient("the connection broke off", { cause });
    });
    const next = await within(reading, stallMs);
    if (next === undefined) {
      // It fails once the reader is cancelled, which nobody waits for.
      reading.catch(() => {});
      throw new Transient(`nothing came for ${stallMs / 1000} seconds`);
    }
    return next.done ? undefined : next.value;
  }
}

export async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {
    // It broke off by itself.
  });
}

function silent(url: URL, ms: number): Transient {
  return new Transient(`${url.host} did not answer for ${ms / 1000} seconds`);
}

/** Never from https to http: nobody asked for a connection anyone can change. */
function target(location: string, from: URL): URL {
  const next = URL.parse(location, from);
  const isAllowed = next !== null && (next.protocol === "https:" ||
    (next.protocol === "http:" && from.protocol === "http:"));
  if (isAllowed && next.username === "" && next.password === "") return next;
  throw misled(`${from.host} redirects to where no image may come from`);
}

function misled(reason: string): Unreachable {
  const hint = "Check the name of the registry, and the proxy if there is one";
  return new Unreachable("redirect", reason, hint);
}
