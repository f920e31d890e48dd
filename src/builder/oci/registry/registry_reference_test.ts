import assert from "node:assert/strict";
import { DEFAULT_REGISTRY } from "./default_registry.ts";
import {
  canonicalName,
  isLoopback,
  parseRegistryReference,
} from "./registry_reference.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

function canonical(text: string): string | undefined {
  const found = parseRegistryReference(text);
  return found && canonicalName(found);
}

Deno.test("a name without a host is the default registry's", () => {
  const { name, aliases } = DEFAULT_REGISTRY;
  const nginx = `${name}/library/nginx:latest`;
  const cases: readonly (readonly [string, string])[] = [
    ["nginx", nginx],
    ["docker://nginx", nginx],
    [`${name}/nginx`, nginx],
    ...aliases.map((alias) => [`${alias}/library/nginx`, nginx] as const),
    ["nginx:alpine", `${name}/library/nginx:alpine`],
    ["team/app", `${name}/team/app:latest`],
    [`nginx@${DIGEST}`, `${name}/library/nginx@${DIGEST}`],
    [`nginx:1@${DIGEST}`, `${name}/library/nginx:1@${DIGEST}`],
  ];
  for (const [text, expected] of cases) {
    assert.equal(canonical(text), expected, text);
  }
});

Deno.test("what comes before the first slash is a host if it looks like one", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["localhost/app", "localhost", "app"],
    ["localhost:5000/team/app:1", "localhost:5000", "team/app"],
    ["registry.example.com/app", "registry.example.com", "app"],
    ["Registry.Example.com/app", "registry.example.com", "app"],
    ["127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c"],
    ["[::1]:5000/app", "[::1]:5000", "app"],
    ["host:80/a__b/c-d.e_f--g", "host:80", "a__b/c-d.e_f--g"],
  ];
  for (const [text, registry, repository] of cases) {
    const found = parseRegistryReference(text);
    assert.deepEqual(
      [found?.registry, found?.repository, found?.text],
      [registry, repository, text],
    );
  }
});

Deno.test("what is no name gives nothing", () => {
  for (
    const text of [
      ...["", "/", "Nginx", "a b", "a//b", "-a", "a-", "a..b", "a___b"],
      ...["nginx:", "nginx:-1", `nginx:${"x".repeat(129)}`, "nginx@sha256:12"],
      ...[`nginx@${DIGEST}@${DIGEST}`, "host:port/app", "host:5000/"],
      ...["../etc", "./app", "/app", "~/app", "a".repeat(300), "[::1/app"],
      ...["user:pass@host.example/app", "http://host.example/app"],
    ]
  ) assert.equal(parseRegistryReference(text), undefined, text);
});

Deno.test("a registry on this host is told by its name", () => {
  for (
    const host of [
      "localhost",
      "localhost:5000",
      "127.0.0.1:1",
      "127.9.9.9",
      "[::1]:5000",
      "a.localhost",
    ]
  ) {
    assert.ok(isLoopback(host), host);
  }
  for (
    const host of [
      "128.0.0.1",
      "127.0.0.1.example.com",
      "localhost.example.com",
      "10.0.0.1:5000",
    ]
  ) {
    assert.ok(!isLoopback(host), host);
  }
});
