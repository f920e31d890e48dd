/**
 * What a registry's refusal means: its status, and the codes of errors in its
 * body, as a fault that says what was asked of whom and what can be done.
 *
 * @module
 */

import { Fault } from "../../../lib/fault.ts";
import { plainWords } from "./plain_words.ts";

/** What was asked for, for the sentences of faults. */
export interface Subject {
  /** The image, as the user wrote it. */
  readonly text: string;
  /** As references name it; also what one logs in to. */
  readonly registry: string;
  readonly repository: string;
}

export interface Refusal {
  readonly status: number;
  /** `MANIFEST_UNKNOWN`; undefined where the body has none. */
  readonly code: string | undefined;
  readonly message: string | undefined;
}

const WORDS_MAX = 200;

/** Reads the body of a refusal; whatever it holds, there is a status. */
export function refusalOf(
  status: number,
  body: Uint8Array | undefined,
): Refusal {
  const none = { status, code: undefined, message: undefined };
  try {
    const value = JSON.parse(new TextDecoder().decode(body));
    const [error] = Array.isArray(value?.errors) ? value.errors : [];
    const { code, message } = error ?? {};
    return {
      status,
      code: typeof code === "string" && /^[A-Z_]{1,40}$/.test(code)
        ? code
        : undefined,
      message: typeof message === "string"
        ? plainWords(message, WORDS_MAX)
        : undefined,
    };
  } catch {
    // A proxy's page, or nothing.
    return none;
  }
}

/** `answered 404 MANIFEST_UNKNOWN (manifest unknown)`. */
export function answered({ status, code, message }: Refusal): string {
  const words = message === undefined || message === "" ? "" : ` (${message})`;
  return `answered ${status}${code === undefined ? "" : ` ${code}`}${words}`;
}

export function refusalFault(
  subject: Subject,
  refusal: Refusal,
  isBlob: boolean,
): Fault {
  const { text, registry, repository } = subject;
  const said = `registry ${registry} ${answered(refusal)}`;
  const details = {
    registry,
    repository,
    status: refusal.status,
    ...(refusal.code === undefined ? {} : { registry_code: refusal.code }),
  };
  if (refusal.status === 404 && isBlob) {
    return new Fault(
      "download-failed",
      `Cannot pull image "${text}": a part of it is missing: ${said}`,
      {
        details,
        hint: "Push the image again: what its registry has is not whole",
      },
    );
  }
  if (refusal.status === 404) {
    const what = refusal.code === "NAME_UNKNOWN"
      ? `there is no repository "${repository}"`
      : `repository "${repository}" has no such image`;
    return new Fault(
      "image-not-found",
      `Cannot pull image "${text}": ${what}: ${said}`,
      {
        details,
        hint: "Check the name and the tag, and which registry it is in",
      },
    );
  }
  return new Fault("download-failed", `Cannot pull image "${text}": ${said}`, {
    details,
    hint: refusal.code === "UNSUPPORTED"
      ? "It may be no registry of the API's version 2"
      : "Check the name of the registry, or try again later",
  });
}

/** Not let in, with credentials from `source` or without any. */
export function deniedFault(
  subject: Subject,
  reason: string,
  source: string | undefined,
): Fault {
  const { text, registry, repository } = subject;
  const login = `docker login ${registry} or podman login ${registry}`;
  const whose = source === undefined
    ? "no credentials are known for it"
    : `the credentials from ${source} do not open it`;
  return new Fault(
    "registry-denied",
    `Cannot pull image "${text}": registry ${registry} denies access to repository "${repository}": ${reason}; ${whose}`,
    {
      details: { registry, repository },
      hint: source === undefined
        ? `Log in with ${login}, or check the name: some registries say so of what is not there`
        : `Log in anew with ${login}, or ask its owner for access`,
    },
  );
}

/** Asked too often, or not to be reached, after all tries. */
export function failedFault(
  { text, registry, repository }: Subject,
  reason: string,
  options: {
    readonly cause?: unknown;
    readonly hint?: string;
    readonly tooMany?: boolean;
  } = {},
): Fault {
  const { cause, hint, tooMany = false } = options;
  return new Fault(
    "download-failed",
    `Cannot pull image "${text}" from registry ${registry}: ${reason}`,
    {
      cause,
      details: { registry, repository },
      hint: hint ??
        (tooMany
          ? `Wait a while, or log in for a higher limit: docker login ${registry} or podman login ${registry}`
          : "Check the network and its proxies (HTTPS_PROXY, NO_PROXY); what was fetched is kept for the next try"),
    },
  );
}
