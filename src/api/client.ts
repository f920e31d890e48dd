/**
 * The typed client every caller of the daemon uses, the CLI included.
 *
 * It speaks HTTP over the daemon's Unix socket. An error body becomes the very
 * `Fault` the daemon threw. It validates nothing: the daemon is trusted.
 *
 * @module
 */

import { Fault, isFaultCode } from "../lib/fault.ts";
import { encodeInput, type Endpoint } from "./endpoint.ts";
import { DAEMON_HOST, unixClient } from "./unix_client.ts";

const ORIGIN = `http://${DAEMON_HOST}`;

export class Client implements Disposable {
  readonly #http: Deno.HttpClient;
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
    this.#http = unixClient(socketPath);
  }

  /** Calls an endpoint that answers with one JSON value, or with nothing. */
  async call<Input extends object, Reply>(
    endpoint: Endpoint<Input, Reply>,
    input: Input,
    signal?: AbortSignal,
  ): Promise<Reply> {
    const response = await this.#fetch(endpoint, input, signal);
    if (response.status === 204) return undefined as Reply;
    const parts = await Array.fromAsync(textParts(response.body, signal));
    return JSON.parse(parts.join("")) as Reply;
  }

  /** Calls an endpoint that answers with a JSON object a line, until it ends. */
  async *stream<Input extends object, Reply>(
    endpoint: Endpoint<Input, Reply>,
    input: Input,
    signal?: AbortSignal,
  ): AsyncGenerator<Reply, void, void> {
    const response = await this.#fetch(endpoint, input, signal);
    for await (const line of lines(response.body, signal)) {
      if (line !== "") yield JSON.parse(line) as Reply;
    }
  }

  /** Calls an endpoint that answers with bytes, until they end. */
  async *bytes<Input extends object>(
    endpoint: Endpoint<Input, Uint8Array>,
    input: Input,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, void> {
    const { body } = await this.#fetch(endpoint, input, signal);
    if (body === null) return;
    try {
      yield* body;
    } catch (cause) {
      throw signal?.aborted ? signal.reason : brokenOff(cause);
    }
  }

  async #fetch<Input extends object>(
    endpoint: Endpoint<Input>,
    input: Input,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const { url, body } = encodeInput(
      endpoint,
      input as Readonly<Record<string, unknown>>,
    );
    let response: Response;
    try {
      response = await fetch(ORIGIN + url, {
        method: endpoint.method,
        client: this.#http,
        signal: signal ?? null,
        ...(body === undefined
          ? {}
          : { body, headers: { "content-type": "application/json" } }),
      });
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      if (await isClosedToUs(this.#socketPath)) {
        throw new Fault(
          "daemon-unavailable",
          `Cannot reach the daemon at "${this.#socketPath}": you may not open its socket`,
          { cause, hint: "Run as the daemon's user, or start one of your own" },
        );
      }
      throw new Fault(
        "daemon-unavailable",
        `Cannot reach the daemon at "${this.#socketPath}"`,
        {
          cause,
          hint:
            "Start it with `volant daemon`, or name its socket with --socket or VOLANT_SOCKET",
        },
      );
    }
    if (!response.ok) throw await faultFrom(response);
    return response;
  }

  [Symbol.dispose](): void {
    this.#http.close();
  }
}

/** Whether the socket is there, but not for this user. */
async function isClosedToUs(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.PermissionDenied;
  }
}

/**
 * The text of an answer as it comes. One that the daemon does not bring to its
 * end is the fault of a daemon that went away, and of nothing else.
 */
export async function* textParts(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  signal?: AbortSignal,
): AsyncGenerator<string, void, void> {
  if (body === null) return;
  try {
    yield* body.pipeThrough(new TextDecoderStream());
  } catch (cause) {
    throw signal?.aborted ? signal.reason : brokenOff(cause);
  }
}

function brokenOff(cause: unknown): Fault {
  return new Fault(
    "daemon-unavailable",
    "Cannot read the daemon's answer to its end: the connection broke off",
    { cause, hint: "See whether the daemon runs, and ask again" },
  );
}

async function* lines(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, void, void> {
  let rest = "";
  for await (const text of textParts(body, signal)) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

async function faultFrom(response: Response): Promise<Fault> {
  const text = await response.text();
  try {
    const { error, code, hint, details } = JSON.parse(text);
    if (isFaultCode(code)) {
      return new Fault(code, String(error), { hint, details });
    }
  } catch {
    // Not our JSON: something else serves on that socket; said below.
  }
  return new Fault(
    "daemon-unavailable",
    `Cannot understand the daemon's answer: HTTP ${response.status} ${
      text.slice(0, 200)
    }`,
    { hint: "Check that the socket is that of a volant daemon" },
  );
}
