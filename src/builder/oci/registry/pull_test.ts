import assert from "node:assert/strict";
import {
  type FakeRegistry,
  fakeRegistry,
  refusal,
} from "../../../../tests/harness/fake_registry.ts";
import {
  addToIndex,
  HOST_ARCHITECTURE,
  writeJsonBlob,
} from "../../../../tests/harness/oci_image.ts";
import { until } from "../../../../tests/harness/until.ts";
import {
  blobFiles,
  imageOf,
  layerSizes,
  type Site as SiteOf,
  siteOf,
} from "./testing.ts";

type Site = SiteOf<FakeRegistry>;

async function site(): Promise<Site> {
  return await siteOf(await fakeRegistry());
}

const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";

Deno.test("an image is pulled once, and then found in the cache", async () => {
  await using here = await site();
  const digest = await here.registry.add(imageOf("one", "two"));
  const image = await here.pull("team/app:1");
  assert.equal(image.digest, digest);
  assert.equal(image.name, `${here.registry.host}/team/app:1`);
  assert.deepEqual(await layerSizes(image), [2048, 2048]);
  assert.equal(here.registry.lines.length, 4);
  assert.equal((await blobFiles(here.cache)).length, 4);
  const again = await here.pull("team/app:1");
  assert.equal(again.digest, digest);
  assert.equal(here.registry.lines.length, 4, "nothing more is asked");
});

Deno.test("a policy says when the registry is asked", async () => {
  await using here = await site();
  const first = await here.registry.add(imageOf("one"));
  await assert.rejects(here.pull("app:1", { policy: "never" }), {
    code: "image-not-found",
    message: /it is not in the cache, and is not to be pulled/,
    hint: /volant image pull 127\.0\.0\.1:\d+\/app:1/,
  });
  assert.deepEqual(here.registry.asked, []);
  await here.pull("app:1");
  await Deno.remove(`${here.registry.folder}/index.json`);
  const second = await here.registry.add(imageOf("other"));
  assert.equal((await here.pull("app:1")).digest, first);
  assert.equal((await here.pull("app:1", { policy: "always" })).digest, second);
  assert.equal((await here.pull("app:1", { policy: "never" })).digest, second);
});

Deno.test("a digest is the same image for ever, and must be it", async () => {
  await using here = await site();
  const digest = await here.registry.add(imageOf("one"));
  assert.equal((await here.pull(`app@${digest}`)).digest, digest);
  const asked = here.registry.asked.length;
  await here.pull(`app:other@${digest}`, { policy: "always" });
  assert.equal(here.registry.asked.length, asked, "it is in the cache");
  const other = `sha256:${"0".repeat(64)}`;
  here.registry.misbehave = ({ reference }) =>
    reference === other ? Response.json({ schemaVersion: 2 }) : undefined;
  await assert.rejects(here.pull(`app@${other}`), {
    code: "checksum-mismatch",
    message: /what the registry sends as manifest sha256:0+ has the digest/,
  });
});

Deno.test("of several platforms that of this host is pulled, and nothing else", async () => {
  await using here = await site();
  const { folder } = here.registry;
  const digest = await here.registry.add(imageOf("own"));
  const { size } = await Deno.stat(
    `${folder}/blobs/${digest.replace(":", "/")}`,
  );
  const index = await writeJsonBlob(folder, INDEX_TYPE, {
    schemaVersion: 2,
    manifests: ["s390x", HOST_ARCHITECTURE].map((architecture) => ({
      mediaType: MANIFEST_TYPE,
      digest: architecture === "s390x" ? `sha256:${"1".repeat(64)}` : digest,
      size,
      platform: { os: "linux", architecture },
    })),
  });
  await Deno.remove(`${folder}/index.json`);
  await addToIndex(folder, {
    ...index,
    annotations: { "org.opencontainers.image.ref.name": "many" },
  });
  const { record, ...image } = await here.pull("app:many");
  assert.equal(image.digest, digest);
  assert.equal(record.top.digest, index.digest);
  assert.equal(record.blobs.length, 4);
  assert.ok(!here.registry.lines.some((line) => line.includes("11111111")));
});

Deno.test("a wrong Content-Type is put right by the document itself", async () => {
  await using here = await site();
  const digest = await here.registry.add(imageOf("one"));
  here.registry.misbehave = async ({ kind }) =>
    kind === "manifest"
      ? new Response(await here.registry.blob(digest), {
        headers: { "content-type": "text/plain" },
      })
      : undefined;
  assert.equal((await here.pull("app:1")).digest, digest);
});

Deno.test("Docker's first format, foreign layers and what is no image are refused", async () => {
  await using here = await site();
  const digest = await here.registry.add(imageOf("one"));
  const text = new TextDecoder().decode(await here.registry.blob(digest));
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['{"schemaVersion":1,"fsLayers":[]}', "not-supported", /first format/],
    [
      text.replace("image.layer.v1", "image.layer.nondistributable.v1"),
      "not-supported",
      /a layer of it is foreign/,
    ],
    ["<html>", "invalid-image", /is not JSON/],
    ["{}", "invalid-image", /neither a manifest nor an index/],
    [
      text.replace('"image.manifest.v1', '"x').replace(
        "vnd.oci.image.manifest",
        "vnd.other.manifest",
      ),
      "not-supported",
      /a manifest of the type/,
    ],
  ];
  for (const [body, code, message] of cases) {
    here.registry.misbehave = ({ kind }) =>
      kind === "manifest" ? new Response(body) : undefined;
    await assert.rejects(here.pull("app:1"), { code, message });
  }
  assert.ok(!here.registry.lines.some((line) => line.startsWith("blob")));
});

Deno.test("a registry's refusals are told with what can be done", async () => {
  await using here = await site();
  await here.registry.add(imageOf("one"));
  await assert.rejects(here.pull("team/app:2"), {
    code: "image-not-found",
    message:
      /^Cannot pull image "127\.0\.0\.1:\d+\/team\/app:2": repository "team\/app" has no such image: registry 127\.0\.0\.1:\d+ answered 404 MANIFEST_UNKNOWN \(manifest unknown\)$/,
  });
  here.registry.misbehave = () =>
    Response.json(
      { errors: [{ code: "DENIED", message: "not\x1b[2J for\nyou" }] },
      { status: 403 },
    );
  await assert.rejects(here.pull("team/app:1"), {
    code: "registry-denied",
    message: /it answered 403 DENIED \(not \[2J for you\); no credentials are/,
    hint: /docker login 127\.0\.0\.1:\d+ or podman login 127\.0\.0\.1:\d+/,
  });
  here.registry.misbehave = ({ kind }) =>
    kind === "blob" ? refusal(404, "BLOB_UNKNOWN") : undefined;
  await assert.rejects(here.pull("team/app:1"), {
    code: "download-failed",
    message: /a part of it is missing: .* answered 404 BLOB_UNKNOWN/,
  });
  here.registry.misbehave = () => new Response("teapot", { status: 418 });
  await assert.rejects(here.pull("team/app:1"), {
    code: "download-failed",
    message: /answered 418$/,
  });
});

Deno.test("two pulls of one image at once fetch each layer once", async () => {
  await using here = await site();
  await here.registry.add(imageOf("x".repeat(300_000), "two"));
  const { promise: go, resolve } = Promise.withResolvers<void>();
  const blobs = () =>
    here.registry.lines.filter((line) => line.startsWith("blob"));
  here.registry.misbehave = async ({ kind }) => {
    // The first one is the config.
    if (kind === "blob" && blobs().length > 1) await go;
    return undefined;
  };
  const pulls = [here.pull("app:1"), here.pull("app:1")];
  const waits = () =>
    here.told.some((each) => each.kind === "layer" && each.state === "waiting");
  await until("one pull waits for the other", waits);
  resolve();
  const [one, two] = await Promise.all(pulls);
  assert.equal(one?.digest, two?.digest);
  assert.equal(new Set(blobs()).size, 3);
  assert.equal(blobs().length, 3);
});

Deno.test("a layer that is in an image twice is fetched once", async () => {
  await using here = await site();
  const image = imageOf("same", "same");
  const [layer] = image.layers;
  assert.ok(layer);
  await here.registry.add({ ...image, layers: [layer, layer] });
  const pulled = await here.pull("app:1");
  assert.deepEqual(await layerSizes(pulled), [2048, 2048]);
  assert.equal(here.registry.lines.length, 3);
});

Deno.test("three layers are fetched at a time, and no more", async () => {
  await using here = await site();
  await here.registry.add(imageOf("a", "b", "c", "d", "e", "f"));
  let now = 0;
  let most = 0;
  here.registry.misbehave = async ({ kind, count }) => {
    if (kind !== "blob" || count > 1) return undefined;
    most = Math.max(most, ++now);
    await new Promise((wake) => setTimeout(wake, 20));
    now--;
    return undefined;
  };
  await here.pull("app:1");
  assert.equal(most, 3);
});

Deno.test("a damaged copy in the cache is found out, and fetched anew", async () => {
  await using here = await site();
  const digest = await here.registry.add(imageOf("one"));
  const { layers } = await here.pull("app:1");
  const path = (digest: string) =>
    `${here.cache}/blobs/${digest.replace(":", "/")}`;
  const layer = layers[0]?.digest ?? "";
  await Deno.writeFile(path(layer), new Uint8Array(2048));
  await Deno.writeTextFile(path(digest), "{}");
  const damaged = await here.pull("app:1");
  await assert.rejects(layerSizes(damaged), {
    code: "checksum-mismatch",
    message: /its copy in the cache is damaged, and was removed/,
  });
  assert.deepEqual(await layerSizes(await here.pull("app:1")), [2048]);
});

Deno.test("an image that breaks off leaves no record, and ends what it began", async () => {
  await using here = await site();
  await here.registry.add(imageOf("one", "two", "three"));
  const stop = new AbortController();
  const { promise: never } = Promise.withResolvers<Response>();
  here.registry.misbehave = ({ kind }) => {
    if (kind === "blob" && here.registry.lines.length > 2) {
      stop.abort(new Error("enough"));
      return never;
    }
    return undefined;
  };
  await assert.rejects(here.pull("app:1", { signal: stop.signal }), /enough/);
  here.registry.misbehave = () => undefined;
  await assert.rejects(here.pull("app:1", { policy: "never" }), {
    code: "image-not-found",
  });
  assert.equal((await here.pull("app:1")).layers.length, 3);
});
