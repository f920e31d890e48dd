/**
 * Pulls from a registry that misbehaves: what comes after all is right, or the
 * pull ends with the reason, and nothing that is not whole is taken for whole.
 */

import assert from "node:assert/strict";
import {
  cutAfter,
  endless,
  type FakeRegistry,
  fakeRegistry,
  refusal,
} from "../../../../tests/harness/fake_registry.ts";
import { writeJsonBlob } from "../../../../tests/harness/oci_image.ts";
import { until } from "../../../../tests/harness/until.ts";
import type { PullProgress } from "./pull_progress.ts";
import {
  blobFiles,
  imageOf,
  layerSizes,
  QUICK,
  type Site as SiteOf,
  siteOf,
} from "./testing.ts";

type Site = SiteOf<FakeRegistry>;

async function site(): Promise<Site> {
  return await siteOf(await fakeRegistry());
}

const LAYER = "x".repeat(200_000);
const LAYER_BYTES = 201_728;

/** The digest of the only layer of the image. */
async function layerDigest({ registry }: Site): Promise<string> {
  const digest = await registry.add(imageOf(LAYER));
  const bytes = await registry.blob(digest);
  return JSON.parse(new TextDecoder().decode(bytes)).layers[0].digest;
}

function ranges({ registry }: Site, digest: string): (string | null)[] {
  return registry.asked.filter(({ reference }) => reference === digest)
    .map(({ headers }) => headers.get("range"));
}

Deno.test("a blob that is cut in the middle goes on where it ended", async () => {
  await using here = await site();
  const layer = await layerDigest(here);
  const bytes = await here.registry.blob(layer);
  here.registry.misbehave = (asked) =>
    asked.reference === layer && asked.count <= 4
      ? cutAfter(bytes, 40_000, asked)
      : undefined;
  const image = await here.pull("app:1");
  assert.deepEqual(await layerSizes(image), [LAYER_BYTES]);
  const asked = ranges(here, layer);
  assert.equal(asked[0], null);
  assert.equal(asked.length, 5, "more than the tries of one that gets nowhere");
  for (const range of asked.slice(1)) assert.match(range ?? "", /^bytes=\d+-$/);
});

Deno.test("a server that sends the whole again is taken at its word", async () => {
  await using here = await site();
  const layer = await layerDigest(here);
  const bytes = await here.registry.blob(layer);
  here.registry.misbehave = (asked) =>
    asked.reference !== layer
      ? undefined
      : asked.count === 1
      ? cutAfter(bytes, 40_000, asked)
      : new Response(bytes);
  assert.deepEqual(await layerSizes(await here.pull("app:1")), [LAYER_BYTES]);
});

Deno.test("what was fetched of a pull that was given up is kept for the next", async () => {
  await using here = await site();
  const layer = await layerDigest(here);
  const bytes = await here.registry.blob(layer);
  let isFirst = true;
  here.registry.misbehave = (asked) => {
    if (asked.reference !== layer) return undefined;
    const answer = cutAfter(bytes, isFirst ? 40_000 : 0, asked);
    isFirst = false;
    return answer;
  };
  await assert.rejects(here.pull("app:1"), {
    code: "download-failed",
    message: /the connection broke off at byte \d+ of blob sha256:\w+; tried/,
    hint: /what was fetched is kept for the next try/,
  });
  const partial = `.incoming/${layer.replace(":", "-")}`;
  assert.ok((await blobFiles(here.cache)).includes(partial));
  const before = ranges(here, layer).length;
  here.registry.misbehave = () => undefined;
  assert.deepEqual(await layerSizes(await here.pull("app:1")), [LAYER_BYTES]);
  assert.match(ranges(here, layer)[before] ?? "", /^bytes=[1-9]\d*-$/);
  assert.ok(!(await blobFiles(here.cache)).includes(partial));
});

Deno.test("a kept beginning of other bytes is thrown away, and the blob fetched whole", async () => {
  await using here = await site();
  const layer = await layerDigest(here);
  await Deno.mkdir(`${here.cache}/blobs/.incoming`, { recursive: true });
  await Deno.writeTextFile(
    `${here.cache}/blobs/.incoming/${layer.replace(":", "-")}`,
    "of another blob",
  );
  assert.deepEqual(await layerSizes(await here.pull("app:1")), [LAYER_BYTES]);
  assert.deepEqual(ranges(here, layer), ["bytes=15-", null]);
});

Deno.test("other bytes than the digest's are refused, and nothing of them is kept", async () => {
  await using here = await site();
  const layer = await layerDigest(here);
  here.registry.misbehave = ({ reference }) =>
    reference === layer ? new Response(new Uint8Array(LAYER_BYTES)) : undefined;
  await assert.rejects(here.pull("app:1"), {
    code: "checksum-mismatch",
    message:
      /what the registry sends as blob sha256:\w+ has the digest sha256:/,
  });
  const hex = layer.replace("sha256:", "");
  assert.ok(!(await blobFiles(here.cache)).some((path) => path.includes(hex)));
});

Deno.test("a blob of another size is refused, told or not, endless or short", async () => {
  await using here = await site();
  const layer = await layerDigest(here);
  const cases: readonly (readonly [() => Response, string, RegExp])[] = [
    [
      () => new Response("short"),
      "checksum-mismatch",
      /has 5 bytes of blob sha256:\w+, which is said to have 201728/,
    ],
    [
      () => new Response(endless()),
      "checksum-mismatch",
      /sends more of blob sha256:\w+ than the 201728 bytes/,
    ],
    [
      () => new Response(ReadableStream.from([new Uint8Array(5)])),
      "download-failed",
      /broke off at byte 5/,
    ],
  ];
  for (const [answer, code, message] of cases) {
    here.registry.misbehave = ({ reference }) =>
      reference === layer ? answer() : undefined;
    await assert.rejects(here.pull("app:1"), { code, message });
  }
});

Deno.test("an endless manifest is not taken, nor one of another digest than was said", async () => {
  await using here = await site();
  await here.registry.add(imageOf("one"));
  here.registry.misbehave = ({ kind }) =>
    kind === "manifest" ? new Response(endless()) : undefined;
  await assert.rejects(here.pull("app:1"), {
    code: "download-failed",
    message: /the manifest has more than 4194304 bytes/,
  });
  here.registry.misbehave = ({ kind }) =>
    kind === "manifest"
      ? new Response("{}", {
        headers: { "docker-content-digest": `sha256:${"0".repeat(64)}` },
      })
      : undefined;
  await assert.rejects(here.pull("app:1"), { code: "checksum-mismatch" });
});

Deno.test("a manifest that its index names is checked before it is kept", async () => {
  await using here = await site();
  const { folder } = here.registry;
  const digest = await here.registry.add(imageOf("one"));
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const index = await writeJsonBlob(folder, mediaType, {
    mediaType,
    manifests: [{
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest,
      size: (await here.registry.blob(digest)).length,
    }],
  });
  here.registry.misbehave = ({ reference }) =>
    reference === digest ? new Response("{}") : undefined;
  await assert.rejects(here.pull(`app@${index.digest}`), {
    code: "checksum-mismatch",
    message: /what the registry sends as manifest sha256:\w+ has the digest/,
  });
  assert.deepEqual(await blobFiles(here.cache), [
    `sha256/${index.digest.replace("sha256:", "")}`,
  ]);
});

Deno.test("bytes are asked for as they are stored, not packed for the way", async () => {
  await using here = await site();
  await here.registry.add(imageOf("one"));
  await here.pull("app:1");
  for (const { headers } of here.registry.asked) {
    assert.equal(headers.get("accept-encoding"), "identity");
    assert.match(headers.get("user-agent") ?? "", /^volant\/\d/);
  }
});

Deno.test("a config that is said to be huge is not asked for", async () => {
  await using here = await site();
  const digest = await here.registry.add(imageOf("one"));
  const text = new TextDecoder().decode(await here.registry.blob(digest));
  here.registry.misbehave = ({ kind }) =>
    kind === "manifest"
      ? new Response(text.replace(/"size":\d+/, '"size":99999999'))
      : undefined;
  await assert.rejects(here.pull("app:1"), {
    code: "invalid-image",
    message: /its config has more than \d+ bytes/,
  });
  assert.ok(!here.registry.lines.some((line) => line.startsWith("blob")));
});

Deno.test("a busy registry is asked again, as late as it wishes", async () => {
  await using here = await site();
  await here.registry.add(imageOf("one"));
  const times: number[] = [];
  here.registry.misbehave = ({ kind, count }) => {
    if (kind !== "manifest") return undefined;
    times.push(performance.now());
    return count === 1
      ? refusal(429, "TOOMANYREQUESTS", { "retry-after": "1" })
      : count === 2
      ? new Response("busy", { status: 503 })
      : undefined;
  };
  await here.pull("app:1");
  const [first = 0, second = 0] = times;
  assert.equal(times.length, 3);
  assert.ok(second - first >= 990, `${second - first} ms`);
  const steps = here.told.filter((each: PullProgress) => each.kind === "step");
  assert.match(JSON.stringify(steps), /answered 429 TOOMANYREQUESTS/);
  assert.match(JSON.stringify(steps), /answered 503; trying again in/);
});

Deno.test("a registry that stays busy, or wants too much patience, is given up", async () => {
  await using here = await site();
  await here.registry.add(imageOf("one"));
  here.registry.misbehave = () => new Response(null, { status: 503 });
  await assert.rejects(here.pull("app:1"), {
    code: "download-failed",
    message: /answered 503; tried 3 times$/,
  });
  here.registry.misbehave = () =>
    refusal(429, "TOOMANYREQUESTS", { "retry-after": "3600" });
  await assert.rejects(here.pull("app:1"), {
    code: "download-failed",
    message: /answered 429 TOOMANYREQUESTS .*wants 3600 seconds of pause$/,
    hint: /Wait a while, or log in for a higher limit: docker login/,
  });
});

Deno.test("a registry that says nothing, or stops in the middle, is not waited for", async () => {
  await using here = await site();
  const layer = await layerDigest(here);
  const bytes = await here.registry.blob(layer);
  const stall = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(bytes.subarray(0, 9_000)),
      }),
    );
  here.registry.misbehave = ({ reference, count }) =>
    reference === layer && count === 1 ? stall() : undefined;
  const httpRules = { headersMs: 20_000, stallMs: 300 };
  const image = await here.pull("app:1", { httpRules });
  assert.deepEqual(await layerSizes(image), [LAYER_BYTES]);
  assert.equal(ranges(here, layer)[1], "bytes=9000-");

  const { promise: never, resolve } = Promise.withResolvers<Response>();
  here.registry.misbehave = () => never;
  await assert.rejects(
    here.pull("app:2", {
      httpRules: { headersMs: 200, stallMs: 200 },
      retryRules: { ...QUICK, triesMax: 1 },
    }),
    { code: "download-failed", message: /did not answer for 0\.2 seconds$/ },
  );
  resolve(new Response());
});

Deno.test("a redirect is followed, never with credentials, and not for ever", async () => {
  await using here = await site();
  const layer = await layerDigest(here);
  const bytes = await here.registry.blob(layer);
  await using storage = await fakeRegistry(({ path }) =>
    path.startsWith("/stored") ? new Response(bytes) : undefined
  );
  const auth = btoa("robot:s3cret");
  const config = { auths: { [here.registry.host]: { auth } } };
  await Deno.writeTextFile(`${here.cache}/config.json`, JSON.stringify(config));
  const variables = { DOCKER_CONFIG: here.cache };
  here.registry.misbehave = ({ reference, headers }) => {
    if (headers.get("authorization") !== `Basic ${auth}`) {
      return new Response(null, {
        status: 401,
        headers: { "www-authenticate": "Basic realm=test" },
      });
    }
    const location = `http://${storage.host}/stored?signature=s3cret`;
    return reference === layer
      ? new Response(null, { status: 307, headers: { location } })
      : undefined;
  };
  await here.pull("app:1", { variables });
  assert.equal(storage.asked.length, 1);
  assert.equal(storage.asked[0]?.headers.get("authorization"), null);

  storage.misbehave = () => new Response("gone", { status: 403 });
  const error = await here.pull("app:1", { variables, policy: "always" })
    .then(() => undefined, (error) => error);
  assert.equal(error, undefined, "all is in the cache");
  await Deno.remove(`${here.cache}/blobs`, { recursive: true });
  await assert.rejects(here.pull("app:1", { variables }), (error: unknown) => {
    const text = JSON.stringify(error) + String(error);
    assert.match(text, new RegExp(`${storage.host} answered 403`));
    assert.doesNotMatch(text, /s3cret|signature|Basic/);
    return true;
  });

  here.registry.misbehave = ({ path }) =>
    new Response(null, { status: 302, headers: { location: path } });
  await assert.rejects(here.pull("app:2"), {
    message: /redirects in circles$/,
  });
});

Deno.test("a mirror is asked first, and passed over where it fails", async () => {
  await using here = await site();
  const digest = await here.registry.add(imageOf("one"));
  await using mirror = await fakeRegistry();
  await mirror.add(imageOf("one"));
  const variables = {
    VOLANT_REGISTRY_MIRROR: `${here.registry.host}=http://${mirror.host}`,
  };
  await here.pull("app:1", { variables });
  assert.equal(mirror.lines.length, 3);
  assert.equal(here.registry.asked.length, 0);

  await Deno.remove(`${here.cache}/blobs`, { recursive: true });
  mirror.misbehave = ({ kind }) =>
    kind === "blob" ? refusal(404, "BLOB_UNKNOWN") : undefined;
  await here.pull("app:1", { variables, policy: "always" });
  assert.ok(here.registry.lines.length > 0, "the registry itself is asked");

  await Deno.remove(`${here.cache}/blobs`, { recursive: true });
  mirror.misbehave = () => new Response(null, { status: 500 });
  const image = await here.pull("app:1", { variables, policy: "always" });
  assert.equal(image.digest, digest);
});

Deno.test("a registry that is not there is told at once, with its name", async () => {
  await using here = await site();
  const gone = await fakeRegistry();
  await gone[Symbol.asyncDispose]();
  await assert.rejects(here.pull("app:1", { host: gone.host }), {
    code: "download-failed",
    message: new RegExp(`nothing listens at ${gone.host}$`),
  });
});

Deno.test("a pull that is told to end does so in the middle of a layer", async () => {
  await using here = await site();
  const layer = await layerDigest(here);
  const bytes = await here.registry.blob(layer);
  here.registry.misbehave = ({ reference }) =>
    reference === layer
      ? new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(bytes.subarray(0, 9_000)),
        }),
      )
      : undefined;
  const stop = new AbortController();
  const pulling = here.pull("app:1", { signal: stop.signal });
  await until(
    "a part of the layer is here",
    () => here.told.some((each) => each.kind === "layer" && each.doneBytes > 0),
  );
  stop.abort(new Error("enough"));
  await assert.rejects(pulling, /enough/);
  const partial = `.incoming/${layer.replace(":", "-")}`;
  assert.ok((await blobFiles(here.cache)).includes(partial));
});
