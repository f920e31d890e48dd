import assert from "node:assert/strict";
import { parseChallenges } from "./challenge.ts";

Deno.test("a challenge has a scheme and parameters, quoted or not", () => {
  assert.deepEqual(
    parseChallenges(
      'Bearer realm="https://auth.example/token",service=registry, scope="repository:a/b:pull,push"',
    ),
    [{
      scheme: "bearer",
      parameters: {
        realm: "https://auth.example/token",
        service: "registry",
        scope: "repository:a/b:pull,push",
      },
    }],
  );
});

Deno.test("several challenges stand in one header", () => {
  const found = parseChallenges(
    'Basic realm="a \\"quoted\\" one", BEARER Realm="r",x = "", Negotiate',
  );
  assert.deepEqual(found, [
    { scheme: "basic", parameters: { realm: 'a "quoted" one' } },
    { scheme: "bearer", parameters: { realm: "r", x: "" } },
    { scheme: "negotiate", parameters: {} },
  ]);
});

Deno.test("what is no challenge gives none, and takes no time", () => {
  assert.deepEqual(parseChallenges(""), []);
  assert.deepEqual(parseChallenges('="lost"'), []);
  const [long] = parseChallenges(`Basic realm="${"\\".repeat(1_000_000)}`);
  assert.equal(long?.scheme, "basic");
});
