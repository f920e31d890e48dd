/**
 * Why no answer came, as far as the error of a request tells. Its own words hold
 * the URL, which may hold a secret, and are never passed on whole.
 *
 * @module
 */

import { Transient } from "./retrying.ts";

/** A failure that would come again, with what can be done about it. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  readonly kind:
    | "certificate"
    | "not-tls"
    | "no-such-host"
    | "refused"
    | "redirect";
  readonly hint: string;

  constructor(kind: Unreachable["kind"], reason: string, hint: string) {
    super(reason);
    this.kind = kind;
    this.hint = hint;
  }
}

/** The error to throw for one that a request to `url` failed with. */
export function transportProblem(error: unknown, url: URL): Error {
  const text = reasonOf(error);
  const { host } = url;
  if (/certificate|UnknownIssuer|NotValidForName/i.test(text)) {
    const [, what = "it is not valid"] =
      /certificate: ?(.{1,120})/.exec(text) ??
        [];
    return new Unreachable(
      "certificate",
      `the certificate of ${host} is not trusted: ${certificateReason(what)}`,
      "Name the file of its authority with --ca FILE, or in SSL_CERT_FILE",
    );
  }
  if (/corrupt message|InvalidContentType|tls handshake eof/i.test(text)) {
    return new Unreachable(
      "not-tls",
      `${host} does not speak https`,
      "If it is to be asked over plain http, add --plain-http",
    );
  }
  if (/Name or service not known|No address associated/i.test(text)) {
    return new Unreachable(
      "no-such-host",
      `there is no host "${url.hostname}"`,
      "Check the name of the registry",
    );
  }
  if (/Connection refused/i.test(text)) {
    return new Unreachable(
      "refused",
      `nothing listens at ${host}`,
      "Check the registry's host and port, that it runs, and the proxy if there is one",
    );
  }
  const reason = /dns error/i.test(text)
    ? `the name "${url.hostname}" cannot be looked up now`
    : /Requests to port \d+ are blocked/.test(text)
    ? "its port is one that requests are never sent to"
    : `the connection to ${host} failed`;
  return new Transient(reason);
}

function reasonOf(error: unknown): string {
  const messages: string[] = [];
  for (
    let each = error;
    each instanceof Error && messages.length < 5;
    each = each.cause
  ) messages.push(each.message);
  return messages.join(": ").replaceAll(/\([a-z]+:\/\/[^)]*\)/g, "");
}

function certificateReason(words: string): string {
  if (/UnknownIssuer/.test(words)) {
    return "this host does not know who signed it";
  }
  if (/Expired/.test(words)) return "it has expired";
  if (/NotValidForName/.test(words)) return "it is for another host";
  return words.replaceAll(/[^\w ,.:-]/g, "").slice(0, 80);
}
