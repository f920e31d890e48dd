/**
 * One server, asked for one repository's manifests and blobs: with what it wants
 * to be shown of who asks, again where it was busy, and with its refusals told
 * as faults.
 *
 * @module
 */

import { Fault } from "../../../lib/fault.ts";
import { Authorizer, Denied } from "./authorizer.ts";
import { parseChallenges } from "./challenge.ts";
import { type FoundCredentials } from "./credentials.ts";
import type { Endpoint } from "./endpoints.ts";
import { manifestAccept } from "./manifest_kind.ts";
import {
  answered,
  deniedFault,
  failedFault,
  refusalFault,
  refusalOf,
  type Subject,
} from "./registry_answer.ts";
import { type Answer, discard, type RegistryHttp } from "./registry_http.ts";
import {
  retryAfterMs,
  retrying,
  type RetryOptions,
  Transient,
} from "./retrying.ts";
import { Unreachable } from "./transport_problem.ts";

export interface SessionOptions {
  readonly endpoint: Endpoint;
  readonly subject: Subject;
  readonly http: RegistryHttp;
  readonly retry: RetryOptions;
  readonly find: (signal: AbortSignal) => Promise<FoundCredentials | undefined>;
}

export interface FetchedManifest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string | undefined;
  /** What the registry says it is. */
  readonly digest: string | undefined;
}

/** The specification asks registries to take at least so much. */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;

const REFUSAL_BYTES_MAX = 64 * 1024;
/** Refreshed authorizations within one request. */
const RENEWALS_MAX = 2;
const BUSY = [408, 429, 500, 502, 503, 504];

export class RegistrySession {
  readonly #options: SessionOptions;
  readonly #authorizer: Authorizer;
  #origin: Promise<string> | undefined;
  #hasAnswered = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { http, subject, find } = options;
    const { repository } = subject;
    this.#authorizer = new Authorizer({ http, repository, find });
  }

  /** A manifest, or index, by its tag or digest. */
  async manifest(reference: string): Promise<FetchedManifest> {
    return await this.#trying(async () => {
      const headers = { accept: manifestAccept() };
      const { response } = await this.#get(`manifests/${reference}`, headers);
      const bytes = await this.#options.http.bytes(
        response,
        MANIFEST_BYTES_MAX,
      );
      if (bytes === undefined) {
        throw this.#failed(
          `the manifest has more than ${MANIFEST_BYTES_MAX} bytes`,
          { hint: "Name an image that Docker or Podman can run" },
        );
      }
      return {
        bytes,
        contentType: response.headers.get("content-type") ?? undefined,
        digest: response.headers.get("docker-content-digest") ?? undefined,
      };
    });
  }

  /** The answer to a request for a blob from byte `from` on. */
  async blob(digest: string, from: number): Promise<Response> {
    return await this.#trying(async () => {
      const headers = from === 0 ? {} : { range: `bytes=${from}-` };
      return (await this.#get(`blobs/${digest}`, headers)).response;
    });
  }

  async #trying<Result>(act: () => Promise<Result>): Promise<Result> {
    const { retry, subject } = this.#options;
    try {
      return await retrying(act, retry);
    } catch (error) {
      throw this.fault(error, subject);
    }
  }

  /** The fault for what a request has thrown; others unchanged. */
  fault(error: unknown, subject = this.#options.subject): unknown {
    if (error instanceof Unreachable) {
      return this.#failed(error.message, { hint: error.hint, cause: error });
    }
    if (error instanceof Denied) {
      return deniedFault(this.#named(subject), error.message, error.source);
    }
    if (!(error instanceof Transient)) return error;
    const { message, tooMany, cause } = error;
    return this.#failed(message, { tooMany, cause });
  }

  #failed(
    reason: string,
    options: Parameters<typeof failedFault>[2],
  ): Fault {
    return failedFault(this.#named(this.#options.subject), reason, options);
  }

  /** A mirror's refusals are told as its own. */
  #named(subject: Subject): Subject {
    return { ...subject, registry: this.#options.endpoint.registry };
  }

  async #get(
    path: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<Answer> {
    const { http, subject, retry: { signal } } = this.#options;
    const url = new URL(
      `${await this.#base()}/v2/${subject.repository}/${path}`,
    );
    const isBlob = path.startsWith("blobs/");
    for (let renewals = 0;; renewals++) {
      const authorization = this.#authorizer.header;
      const answer = await http.send(url, { headers, authorization, signal })
        .catch((error) => {
          throw this.#unlessRestarting(error);
        });
      this.#hasAnswered = true;
      const { response } = answer;
      const isOwn = answer.url.host === url.host;
      if (response.status !== 401 || !isOwn || renewals >= RENEWALS_MAX) {
        if (response.ok) return answer;
        throw await this.#refused(answer, { isOwn, isBlob });
      }
      const header = response.headers.get("www-authenticate") ?? "";
      await discard(response);
      await this.#authorizer.answer(parseChallenges(header), {
        used: authorization,
        url,
        signal,
      });
    }
  }

  /** What answered before, and refuses connections now, may be back soon. */
  #unlessRestarting(error: unknown): unknown {
    const isRefused = error instanceof Unreachable && error.kind === "refused";
    return isRefused && this.#hasAnswered
      ? new Transient(error.message, { cause: error })
      : error;
  }

  async #refused(
    { response, url }: Answer,
    { isOwn, isBlob }: { readonly isOwn: boolean; readonly isBlob: boolean },
  ): Promise<Error> {
    const { http, subject } = this.#options;
    const { status, headers } = response;
    const body = await http.bytes(response, REFUSAL_BYTES_MAX)
      .catch(() => undefined);
    const refusal = refusalOf(status, body);
    if (BUSY.includes(status)) {
      return new Transient(`${url.host} ${answered(refusal)}`, {
        retryAfterMs: retryAfterMs(headers.get("retry-after")),
        tooMany: status === 429,
      });
    }
    // Storage behind a registry: its permission to read may have run out.
    if (!isOwn) return new Transient(`${url.host} ${answered(refusal)}`);
    const named = this.#named(subject);
    if (status === 401 || status === 403) {
      return deniedFault(
        named,
        `it ${answered(refusal)}`,
        await this.#authorizer.source(),
      );
    }
    return refusalFault(named, refusal, isBlob);
  }

  async #base(): Promise<string> {
    this.#origin ??= this.#findOrigin();
    return await this.#origin;
  }

  /** A server on this host may speak either; others are asked over https only. */
  async #findOrigin(): Promise<string> {
    const { endpoint: { host, scheme }, http, retry } = this.#options;
    if (scheme !== "either") return `${scheme}://${host}`;
    try {
      const { signal } = retry;
      const url = new URL(`https://${host}/v2/`);
      await discard((await http.send(url, { signal })).response);
    } catch (error) {
      // A cut connection is how some servers answer to TLS.
      const isOther = error instanceof Unreachable &&
        (error.kind === "not-tls" ||
          // Without a port, each has one of its own.
          (error.kind === "refused" && !/:\d+$/.test(host)));
      const isPlain = isOther || error instanceof Transient;
      if (isPlain) return `http://${host}`;
      this.#origin = undefined;
      throw error;
    }
    return `https://${host}`;
  }
}
