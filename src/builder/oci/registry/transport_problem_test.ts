import assert from "node:assert/strict";
import { Transient } from "./retrying.ts";
import { transportProblem, Unreachable } from "./transport_problem.ts";

const URL_WITH_SECRET = new URL("https://a.example:5000/v2/?signature=s3cret");

/** As the runtime words it. */
function problem(reason: string): Error {
  const cause = new Error(
    `error sending request for url (${URL_WITH_SECRET}): client error (Connect): ${reason}`,
  );
  return transportProblem(
    new TypeError("fetch failed", { cause }),
    URL_WITH_SECRET,
  );
}

Deno.test("what would come again is told with a remedy", () => {
  const cases: readonly (readonly [string, string, RegExp, RegExp])[] = [
    [
      "invalid peer certificate: UnknownIssuer",
      "certificate",
      /certificate of a\.example:5000 is not trusted: this host does not know/,
      /--ca FILE/,
    ],
    [
      "received corrupt message of type InvalidContentType",
      "not-tls",
      /does not speak https/,
      /--plain-http/,
    ],
    [
      "dns error: failed to lookup address information: Name or service not known",
      "no-such-host",
      /there is no host "a\.example"/,
      /Check the name/,
    ],
    [
      "tcp connect error: Connection refused (os error 111)",
      "refused",
      /nothing listens at a\.example:5000/,
      /that it runs/,
    ],
  ];
  for (const [reason, kind, message, hint] of cases) {
    const found = problem(reason);
    assert.ok(found instanceof Unreachable, reason);
    assert.equal(found.kind, kind);
    assert.match(found.message, message);
    assert.match(found.hint, hint);
    assert.doesNotMatch(Deno.inspect(found), /s3cret/);
  }
});

Deno.test("all else may go well the next time", () => {
  for (
    const reason of [
      "dns error: failed to lookup address information: Temporary failure in name resolution",
      "connection reset by peer",
      "unexpected end of file",
    ]
  ) {
    const found = problem(reason);
    assert.ok(found instanceof Transient, reason);
    assert.doesNotMatch(Deno.inspect(found), /s3cret/);
  }
});
