/**
 * Answers a registry's challenges for one repository: with a token that a token
 * server hands out, or with name and password. What was granted is kept as long
 * as it holds, and used by all requests of a pull.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type Challenge } from "./challenge.ts";
import type { Credentials, FoundCredentials } from "./credentials.ts";
import { discard, type RegistryHttp } from "./registry_http.ts";
import { Transient } from "./retrying.ts";

/** That a registry, or its token server, does not let one in. */
export class Denied extends Error {
  override readonly name = "Denied";
  /** Whose credentials were refused; undefined if there were none. */
  readonly source: string | undefined;

  constructor(reason: string, source: string | undefined) {
    super(reason);
    this.source = source;
  }
}

export interface AuthorizerOptions {
  readonly http: RegistryHttp;
  readonly repository: string;
  /** Asked once, when the registry wants to know. */
  readonly find: (signal: AbortSignal) => Promise<FoundCredentials | undefined>;
}

const ANSWER_BYTES_MAX = 1024 * 1024;
/** A token without a time is good for so long (the distribution's rule). */
const TOKEN_SECONDS = 60;
/** Of a token's time that is left for what is under way. */
const SPARE_MS = 10_000;

const CLIENT_ID = "volant";

export class Authorizer {
  readonly #options: AuthorizerOptions;
  #granted: { readonly header: string; readonly untilMs: number } | undefined;
  #renewing: Promise<void> | undefined;
  #found: Promise<FoundCredentials | undefined> | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** What to send along; undefined before the first challenge. */
  get header(): string | undefined {
    const granted = this.#granted;
    const isGood = granted !== undefined && performance.now() < granted.untilMs;
    return isGood ? granted.header : undefined;
  }

  /** Where the credentials are from that were asked for, if any. */
  async source(): Promise<string | undefined> {
    return (await this.#found)?.source;
  }

  /** Sees to a header for requests that were refused with `used`. */
  async answer(
    challenges: readonly Challenge[],
    { used, url, signal }: {
      readonly used: string | undefined;
      readonly url: URL;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    // Another request may have seen to it in the meantime.
    if (this.header !== undefined && this.header !== used) return;
    this.#renewing ??= this.#renew(challenges, url, signal)
      .finally(() => this.#renewing = undefined);
    await this.#renewing;
  }

  async #renew(
    challenges: readonly Challenge[],
    url: URL,
    signal: AbortSignal,
  ): Promise<void> {
    this.#granted = undefined;
    this.#found ??= this.#options.find(signal);
    const found = await this.#found;
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    const isBasic = challenges.some(({ scheme }) => scheme === "basic");
    if (bearer !== undefined) {
      return await this.#token(bearer, found, { url, signal });
    }
    if (isBasic && found?.credentials.kind === "password") {
      const header = basic(found.credentials);
      this.#granted = { header, untilMs: Infinity };
      return;
    }
    throw new Denied(
      isBasic
        ? "it wants a name and a password"
        : "it wants an authorization that is not known here",
      found?.source,
    );
  }

  async #token(
    { parameters }: Challenge,
    found: FoundCredentials | undefined,
    { url, signal }: { readonly url: URL; readonly signal: AbortSignal },
  ): Promise<void> {
    const { http, repository } = this.#options;
    const realm = realmUrl(parameters["realm"], url);
    const scope = parameters["scope"] ?? `repository:${repository}:pull`;
    const query = new URLSearchParams();
    if (parameters["service"] !== undefined) {
      query.set("service", parameters["service"]);
    }
    for (const each of scope.split(" ")) query.append("scope", each);
    const asked = performance.now();
    const { response } = await http.send(
      ...tokenRequest(realm, query, { found, signal }),
    );
    const { status } = response;
    if (status === 429 || status >= 500) {
      await discard(response);
      throw new Transient(`the token server ${realm.host} answered ${status}`);
    }
    if (!response.ok) {
      await discard(response);
      throw new Denied(
        `its token server ${realm.host} answered ${status}`,
        found?.source,
      );
    }
    const { token, seconds } = tokenOf(
      await http.bytes(response, ANSWER_BYTES_MAX),
      realm,
    );
    this.#granted = {
      header: `Bearer ${token}`,
      untilMs: asked + Math.max(seconds * 1000 - SPARE_MS, seconds * 500),
    };
  }
}

/** An identity token is exchanged by POST; else one asks, with a password or without. */
function tokenRequest(
  realm: URL,
  query: URLSearchParams,
  { found, signal }: {
    readonly found: FoundCredentials | undefined;
    readonly signal: AbortSignal;
  },
): Parameters<RegistryHttp["send"]> {
  if (found?.credentials.kind === "identity") {
    const form = new URLSearchParams(query);
    form.set("scope", query.getAll("scope").join(" "));
    form.set("grant_type", "refresh_token");
    form.set("client_id", CLIENT_ID);
    form.set("refresh_token", found.credentials.token);
    return [realm, { form, signal }];
  }
  const url = new URL(realm);
  for (const [name, value] of query) url.searchParams.append(name, value);
  const authorization = found && basic(found.credentials);
  return [url, { authorization, signal }];
}

function basic(
  credentials: Exclude<Credentials, { kind: "identity" }>,
): string {
  const { username, password } = credentials;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** Credentials for a registry that is asked over https go nowhere in the clear. */
function realmUrl(text: string | undefined, registry: URL): URL {
  const realm = text === undefined ? null : URL.parse(text);
  const isAllowed = realm !== null && (realm.protocol === "https:" ||
    (realm.protocol === "http:" && registry.protocol === "http:"));
  if (isAllowed) return realm;
  throw new Denied("it names no token server that can be asked", undefined);
}

function tokenOf(
  bytes: Uint8Array | undefined,
  { host }: URL,
): { readonly token: string; readonly seconds: number } {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // Said below, without the text: it may hold the token.
  }
  const answer = (value ?? {}) as Readonly<Record<string, unknown>>;
  const { token, access_token, expires_in } = answer;
  const text = typeof token === "string" && token !== "" ? token : access_token;
  if (typeof text !== "string" || !/^[\x21-\x7e]+$/.test(text)) {
    throw new Transient(`the token server ${host} answered with no token`);
  }
  const seconds = typeof expires_in === "number" && expires_in > 0
    ? expires_in
    : TOKEN_SECONDS;
  return { token: text, seconds };
}
