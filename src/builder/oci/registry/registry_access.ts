/**
 * A registry as an image sees it: manifests and blobs by digest, from the first
 * server that gives them. A mirror that has not what is wanted, or is away, is
 * passed over; what the registry itself says counts.
 *
 * @module
 */

import { Fault } from "../../../lib/fault.ts";
import { trustedCertificates } from "./authorities.ts";
import { findCredentials } from "./credentials.ts";
import { endpointsOf } from "./endpoints.ts";
import type { Subject } from "./registry_answer.ts";
import { HTTP_RULES, type HttpRules, RegistryHttp } from "./registry_http.ts";
import { type FetchedManifest, RegistrySession } from "./registry_session.ts";
import { RETRY_RULES, type RetryRules } from "./retrying.ts";

/** How registries are asked. */
export interface RegistryOptions {
  /** Variables of the environment: mirrors, certificates, where logins are kept. */
  readonly env: (name: string) => string | undefined;
  /** Without TLS, also another host's. */
  readonly plainHttp?: boolean | undefined;
  /** Certificates of authorities, beside those of the system. */
  readonly caFile?: string | undefined;
  readonly httpRules?: HttpRules | undefined;
  readonly retryRules?: RetryRules | undefined;
}

export interface AccessOptions extends RegistryOptions {
  readonly subject: Subject;
  readonly signal: AbortSignal;
  /** Told before each pause. */
  readonly onRetry: (reason: string, waitMs: number) => void;
}

export class RegistryAccess implements Disposable {
  readonly http: RegistryHttp;
  readonly #sessions: readonly RegistrySession[];
  /** The one that answered last. */
  #current = 0;

  private constructor(http: RegistryHttp, sessions: RegistrySession[]) {
    this.http = http;
    this.#sessions = sessions;
  }

  static async open(options: AccessOptions): Promise<RegistryAccess> {
    const { env, plainHttp = false, caFile, subject, signal } = options;
    const { repository } = subject;
    const endpoints = endpointsOf(subject.registry, {
      mirrors: env("VOLANT_REGISTRY_MIRROR"),
      plainHttp,
    });
    const sslCertFile = env("SSL_CERT_FILE");
    const http = new RegistryHttp(
      await trustedCertificates({ sslCertFile, caFile }),
      options.httpRules ?? HTTP_RULES,
    );
    const rules = options.retryRules ?? RETRY_RULES;
    const retry = { rules, signal, onRetry: options.onRetry };
    const sessions = endpoints.map((endpoint) => {
      const asked = { registry: endpoint.registry, repository };
      const find = (signal: AbortSignal) => findCredentials(asked, env, signal);
      return new RegistrySession({ endpoint, subject, http, retry, find });
    });
    return new RegistryAccess(http, sessions);
  }

  /** A manifest, or index, by its tag or digest. */
  async manifest(reference: string): Promise<FetchedManifest> {
    return await this.#fromFirst((session) => session.manifest(reference));
  }

  /** The answer to a request for a blob from byte `from` on. */
  async blob(digest: string, from: number): Promise<Response> {
    return await this.#fromFirst((session) => session.blob(digest, from));
  }

  /** The fault for a transfer that was given up. */
  fault(error: unknown): unknown {
    return this.#sessions[this.#current]?.fault(error) ?? error;
  }

  [Symbol.dispose](): void {
    this.http[Symbol.dispose]();
  }

  async #fromFirst<Result>(
    ask: (session: RegistrySession) => Promise<Result>,
  ): Promise<Result> {
    const last = this.#sessions.length - 1;
    for (let index = this.#current;; index++) {
      const session = this.#sessions[index];
      if (session === undefined) throw new Error("there is no server to ask");
      try {
        const result = await ask(session);
        this.#current = Math.max(this.#current, index);
        return result;
      } catch (error) {
        if (index >= last || !(error instanceof Fault)) throw error;
      }
    }
  }
}
