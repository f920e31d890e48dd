import assert from "node:assert/strict";
import { DEFAULT_REGISTRY } from "./default_registry.ts";
import { endpointsOf } from "./endpoints.ts";

function words(
  registry: string,
  mirrors?: string,
  plainHttp = false,
): string[] {
  return endpointsOf(registry, { mirrors, plainHttp })
    .map(({ scheme, host }) => `${scheme} ${host}`);
}

Deno.test("a registry is asked over https, one on this host over either", () => {
  assert.deepEqual(words("registry.example"), ["https registry.example"]);
  assert.deepEqual(words("localhost:5000"), ["either localhost:5000"]);
  assert.deepEqual(words("registry.example", undefined, true), [
    "http registry.example",
  ]);
  const { name, host } = DEFAULT_REGISTRY;
  assert.deepEqual(words(name), [`https ${host}`]);
});

Deno.test("mirrors come first, in their order, each for its registry", () => {
  const mirrors =
    "https://one.example, team.example=http://10.0.0.2:5000  https://two.example/";
  assert.deepEqual(words(DEFAULT_REGISTRY.name, mirrors), [
    "https one.example",
    "https two.example",
    `https ${DEFAULT_REGISTRY.host}`,
  ]);
  assert.deepEqual(words("team.example", mirrors), [
    "http 10.0.0.2:5000",
    "https team.example",
  ]);
  assert.deepEqual(words("other.example", mirrors), ["https other.example"]);
});

Deno.test("what is no mirror is refused, and not quoted", () => {
  for (
    const mirrors of [
      "mirror.example",
      "ftp://mirror.example",
      "https://mirror.example/path",
      "https://robot:s3cret@mirror.example",
    ]
  ) {
    assert.throws(() => words("a.example", mirrors), (error) => {
      assert.ok(error instanceof Error && "code" in error);
      assert.equal(error.code, "invalid-input");
      assert.doesNotMatch(Deno.inspect(error), /s3cret/);
      return true;
    });
  }
});
