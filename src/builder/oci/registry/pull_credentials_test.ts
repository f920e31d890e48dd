/**
 * Pulls from registries that want to know who asks: names and passwords, token
 * servers, helper programs. What is secret shows up nowhere else.
 */

import assert from "node:assert/strict";
import {
  type Asked,
  type FakeRegistry,
  fakeRegistry,
  refusal,
} from "../../../../tests/harness/fake_registry.ts";
import { until } from "../../../../tests/harness/until.ts";
import { imageOf, type Site as SiteOf, siteOf } from "./testing.ts";

type Site = SiteOf<FakeRegistry>;

async function site(): Promise<Site> {
  return await siteOf(await fakeRegistry());
}

const AUTH = btoa("robot:s3cret");

/** A folder with files, as DOCKER_CONFIG has it. */
async function write(
  { cache }: Site,
  path: string,
  value: unknown,
  mode = 0o600,
): Promise<string> {
  const full = `${cache}/${path}`;
  await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(
    full,
    typeof value === "string" ? value : JSON.stringify(value),
  );
  await Deno.chmod(full, mode);
  return full;
}

function wants(challenge: string): Response {
  return refusalWith(401, "UNAUTHORIZED", challenge);
}

function refusalWith(
  status: number,
  code: string,
  challenge: string,
): Response {
  return refusal(status, code, { "www-authenticate": challenge });
}

/** Lets in who shows a token that `tokens` has given. */
function behindTokens(
  registry: FakeRegistry,
  tokens: FakeRegistry,
): void {
  registry.misbehave = ({ headers }) => {
    const given = tokens.asked.length;
    return given > 0 && headers.get("authorization") === `Bearer token${given}`
      ? undefined
      : wants(
        `Bearer realm="http://${tokens.host}/token",service="the service",scope="repository:team/app:pull"`,
      );
  };
  tokens.misbehave = ({ method }: Asked) => {
    const token = `token${tokens.asked.length}`;
    return Response.json(
      method === "GET" ? { token, expires_in: 300 } : { access_token: token },
    );
  };
}

Deno.test("a token is got without a name, and used for all of a pull", async () => {
  await using here = await site();
  await using tokens = await fakeRegistry();
  await here.registry.add(imageOf("one", "two"));
  behindTokens(here.registry, tokens);
  await here.pull("team/app:1");
  assert.deepEqual(tokens.asked.map(({ path }) => path), [
    "/token?service=the+service&scope=repository%3Ateam%2Fapp%3Apull",
  ]);
  assert.equal(tokens.asked[0]?.headers.get("authorization"), null);
  // One request without a token, then manifest, config and layers.
  assert.equal(here.registry.lines.length, 5);
});

Deno.test("a token that has run out is got anew in the middle", async () => {
  await using here = await site();
  await using tokens = await fakeRegistry();
  await here.registry.add(imageOf("one", "two", "three", "four"));
  behindTokens(here.registry, tokens);
  const { misbehave } = here.registry;
  here.registry.misbehave = (asked) => {
    const isFirstBlob = asked.kind === "blob" &&
      here.registry.lines.filter((line) => line.startsWith("blob")).length ===
        1;
    return isFirstBlob
      ? wants(`Bearer realm="http://${tokens.host}/token"`)
      : misbehave(asked);
  };
  tokens.misbehave = () =>
    Response.json({ token: `token${tokens.asked.length}` });
  await here.pull("team/app:1");
  assert.equal(tokens.asked.length, 2);
});

Deno.test("requests that were refused with one token get the next one together", async () => {
  await using here = await site();
  await using tokens = await fakeRegistry();
  await here.registry.add(imageOf("one", "two", "three"));
  behindTokens(here.registry, tokens);
  const { misbehave } = here.registry;
  let layers = 0;
  here.registry.misbehave = async (asked) => {
    const isOld = asked.headers.get("authorization") === "Bearer token1";
    const isLayer = asked.kind === "blob" && asked.count === 1 &&
      here.registry.lines.length > 3;
    if (!isOld || !isLayer) return await misbehave(asked);
    // The first is refused when another is under way, the others when the next
    // token is there already.
    if (++layers === 1) {
      await until("another layer is asked for", () => layers > 1);
    } else {
      await until(
        "a new token was used",
        () =>
          here.registry.asked.some(({ headers }) =>
            headers.get("authorization") === "Bearer token2"
          ),
      );
    }
    return wants(`Bearer realm="http://${tokens.host}/token"`);
  };
  await here.pull("team/app:1");
  assert.ok(layers > 1);
  assert.equal(tokens.asked.length, 2);
});

Deno.test("name and password go to the token server, and an identity token by POST", async () => {
  await using here = await site();
  await using tokens = await fakeRegistry();
  await here.registry.add(imageOf("one"));
  behindTokens(here.registry, tokens);
  const { host } = here.registry;
  await write(here, "config.json", { auths: { [host]: { auth: AUTH } } });
  const variables = { DOCKER_CONFIG: here.cache };
  await here.pull("team/app:1", { variables });
  assert.equal(
    tokens.asked[0]?.headers.get("authorization"),
    `Basic ${AUTH}`,
  );
  await write(here, "config.json", {
    auths: { [`https://${host}/v1/`]: { identitytoken: "id3ntity" } },
  });
  await here.pull("team/app:1", { variables, policy: "always" });
  const { method, body, headers } = tokens.asked[1] ?? tokens.asked[0] as Asked;
  assert.equal(method, "POST");
  assert.equal(headers.get("authorization"), null);
  const form = new URLSearchParams(body);
  assert.equal(form.get("grant_type"), "refresh_token");
  assert.equal(form.get("refresh_token"), "id3ntity");
  assert.equal(form.get("scope"), "repository:team/app:pull");
});

Deno.test("a password is shown to who asks for it, and only then", async () => {
  await using here = await site();
  await here.registry.add(imageOf("one"));
  const runtime = { auths: { [`${here.registry.host}/team`]: { auth: AUTH } } };
  await write(here, "containers/auth.json", runtime);
  const variables = { XDG_RUNTIME_DIR: here.cache };
  await here.pull("team/app:1", { variables });
  assert.ok(
    here.registry.asked.every(({ headers }) => !headers.has("authorization")),
  );
  here.registry.misbehave = ({ headers }) =>
    headers.get("authorization") === `Basic ${AUTH}`
      ? undefined
      : wants('Basic realm="test"');
  await here.pull("team/app:1", { variables, policy: "always" });
  await assert.rejects(here.pull("other/app:1", { variables }), {
    code: "registry-denied",
    message: /it wants a name and a password; no credentials are known for it/,
    hint: /^Log in with docker login 127\.0\.0\.1:\d+ or podman login/,
  });
});

Deno.test("refused credentials are told by where they are from, never by what they are", async () => {
  await using here = await site();
  await here.registry.add(imageOf("one"));
  await using tokens = await fakeRegistry(() =>
    Response.json({ details: "incorrect s3cret" }, { status: 401 })
  );
  const { host } = here.registry;
  const path = await write(here, "config.json", {
    auths: { [host]: { username: "robot", password: "s3cret" } },
  });
  const variables = { DOCKER_CONFIG: here.cache };
  const challenges = [
    'Basic realm="test"',
    `Bearer realm="http://${tokens.host}/token"`,
  ];
  for (const challenge of challenges) {
    here.registry.misbehave = () => wants(challenge);
    await assert.rejects(here.pull("app:1", { variables }), (error) => {
      assert.ok(error instanceof Error && "code" in error && "hint" in error);
      assert.equal(error.code, "registry-denied");
      assert.ok(error.message.includes(`from ${path} do not open it`));
      assert.match(String(error.hint), /^Log in anew with docker login/);
      const all = Deno.inspect(error, { depth: 10 }) + JSON.stringify(error);
      assert.doesNotMatch(all, /s3cret|robot/);
      assert.ok(!all.includes(AUTH));
      return true;
    });
  }
});

Deno.test("credentials for https do not go to a token server over http", async () => {
  const { Authorizer, Denied } = await import("./authorizer.ts");
  const { RegistryHttp } = await import("./registry_http.ts");
  await using tokens = await fakeRegistry();
  using http = new RegistryHttp([]);
  const authorizer = new Authorizer({
    http,
    repository: "app",
    find: () => Promise.resolve(undefined),
  });
  const realm = `http://${tokens.host}/token`;
  await assert.rejects(
    authorizer.answer([{ scheme: "bearer", parameters: { realm } }], {
      used: undefined,
      url: new URL("https://registry.invalid/v2/"),
      signal: new AbortController().signal,
    }),
    Denied,
  );
  assert.deepEqual(tokens.asked, []);
});

Deno.test("helper programs are asked, for one registry or for all", async () => {
  await using here = await site();
  await here.registry.add(imageOf("one"));
  here.registry.misbehave = ({ headers }) =>
    headers.get("authorization") === `Basic ${AUTH}`
      ? undefined
      : wants("Basic realm=test");
  const helper = (name: string, script: string) =>
    write(
      here,
      `bin/docker-credential-${name}`,
      `#!/bin/sh\n${script}\n`,
      0o755,
    );
  const { host } = here.registry;
  const variables = {
    DOCKER_CONFIG: here.cache,
    PATH: `${here.cache}/bin:/usr/bin:/bin`,
  };
  await helper(
    "good",
    `test "$1" = get && test "$(cat)" = "${host}" && echo '{"Username":"robot","Secret":"s3cret"}'`,
  );
  for (
    const config of [
      { credHelpers: { [host]: "good" }, credsStore: "none" },
      { auths: { [host]: {} }, credsStore: "good" },
    ]
  ) {
    await write(here, "config.json", config);
    await here.pull("app:1", { variables, policy: "always" });
  }
  const refused = async (name: string, script: string) => {
    await helper(name, script);
    await write(here, "config.json", { credsStore: name });
    return await here.pull("app:1", { variables, policy: "always" })
      .then(() => assert.fail("it was let in"), (error) => error);
  };
  const none = await refused(
    "none",
    "echo credentials not found in native keychain; exit 1",
  );
  assert.match(none.message, /no credentials are known for it/);
  const broken = await refused("broken", "echo s3cret >&2; exit 3");
  assert.match(
    broken.message,
    /"docker-credential-broken": it ended with status 3$/,
  );
  assert.doesNotMatch(Deno.inspect(broken), /s3cret/);
  const silly = await refused("silly", "echo s3cret");
  assert.match(silly.message, /its answer makes no sense$/);
  await write(here, "config.json", { credsStore: "absent" });
  await assert.rejects(here.pull("app:1", { variables, policy: "always" }), {
    code: "registry-denied",
    message:
      /names the helper "docker-credential-absent", which is not in PATH/,
    hint: /^Install it, or take it out of /,
  });
});

Deno.test("a file of credentials that makes no sense is told without its text", async () => {
  await using here = await site();
  await here.registry.add(imageOf("one"));
  here.registry.misbehave = () => wants("Basic realm=test");
  const variables = { DOCKER_CONFIG: here.cache };
  const { host } = here.registry;
  for (
    const text of [
      '{"auths": s3cret',
      JSON.stringify({ auths: { [host]: { auth: "s3cret" } } }),
    ]
  ) {
    await write(here, "config.json", text);
    await assert.rejects(here.pull("app:1", { variables }), (error) => {
      assert.match(String(error), /Cannot read file of credentials/);
      assert.doesNotMatch(Deno.inspect(error, { depth: 10 }), /s3cret/);
      return true;
    });
  }
});
