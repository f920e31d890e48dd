import assert from "node:assert/strict";
import { tmpFolder } from "../../testing.ts";
import { credentialFiles, findCredentials } from "./credentials.ts";
import { DEFAULT_REGISTRY } from "./default_registry.ts";

const { signal } = new AbortController();

async function found(
  auths: Readonly<Record<string, unknown>>,
  registry: string,
  repository = "team/app",
): Promise<string | undefined> {
  await using tmp = await tmpFolder();
  await tmp.file("config.json", JSON.stringify({ auths }));
  const env = (name: string) => name === "DOCKER_CONFIG" ? tmp.path : undefined;
  const one = await findCredentials({ registry, repository }, env, signal);
  const credentials = one?.credentials;
  return credentials?.kind === "password" ? credentials.username : undefined;
}

function entry(username: string): { readonly auth: string } {
  return { auth: btoa(`${username}:pass:word`) };
}

Deno.test("files of logins are where Docker and Podman keep them", () => {
  const files = (variables: Readonly<Record<string, string>>) =>
    credentialFiles((name) => variables[name]);
  assert.deepEqual(files({ HOME: "/h", XDG_RUNTIME_DIR: "/r" }), [
    "/h/.docker/config.json",
    "/r/containers/auth.json",
  ]);
  assert.deepEqual(files({ HOME: "/h", DOCKER_CONFIG: "/d" }), [
    "/d/config.json",
  ]);
  assert.deepEqual(files({}), []);
});

Deno.test("the entry nearest to the repository counts", async () => {
  const auths = {
    "a.example": entry("host"),
    "a.example/team": entry("team"),
    "a.example/team/app": entry("app"),
  };
  assert.equal(await found(auths, "a.example"), "app");
  assert.equal(await found(auths, "a.example", "team/other"), "team");
  assert.equal(await found(auths, "a.example", "teams/app"), "host");
  assert.equal(await found(auths, "b.example"), undefined);
});

Deno.test("older programs wrote URLs, and one of their own for the default registry", async () => {
  const { name, credentialsKey } = DEFAULT_REGISTRY;
  assert.equal(await found({ [credentialsKey]: entry("me") }, name), "me");
  assert.equal(
    await found({ "https://a.example/v2/": entry("me") }, "a.example"),
    "me",
  );
  assert.equal(
    await found({ "https://a.example.org": entry("me") }, "a.example"),
    undefined,
  );
});

Deno.test("a port is part of the name, and an empty entry is none", async () => {
  assert.equal(
    await found({ "a.example": entry("me") }, "a.example:5000"),
    undefined,
  );
  assert.equal(await found({ "a.example": {} }, "a.example"), undefined);
});
