import assert from "node:assert/strict";
import {
  type FakeRegistry,
  fakeRegistry,
} from "../../../tests/harness/fake_registry.ts";
import { writeOciLayout } from "../../../tests/harness/oci_image.ts";
import { convertImage } from "./convert.ts";
import { ImageInventory } from "./image_inventory.ts";
import { inspectImage } from "./inspect_image.ts";
import {
  blobFiles,
  imageOf,
  type Site as SiteOf,
  siteOf,
} from "./registry/testing.ts";

type Site = SiteOf<FakeRegistry>;

async function site(): Promise<Site> {
  return await siteOf(await fakeRegistry());
}

const { signal } = new AbortController();

async function convert(
  { cache }: Site,
  reference: string,
): Promise<string> {
  const { imageDigest } = await convertImage(reference, {
    cacheDir: cache,
    registry: { env: () => undefined, plainHttp: true },
    signal,
  });
  return imageDigest;
}

async function references({ cache }: Site): Promise<unknown[]> {
  const images = await new ImageInventory(cache).list();
  return images.map(({ reference }) => reference);
}

Deno.test("pulled and converted images are listed with what they take", async () => {
  await using here = await site();
  const { host } = here.registry;
  await here.registry.add(imageOf("one"));
  const pulled = await convert(here, `${host}/app:1`);
  const layout = `${here.cache}/disk`;
  const written = await writeOciLayout(layout, imageOf("other"));
  const converted = await convert(here, written.reference);
  const images = await new ImageInventory(here.cache).list();
  assert.deepEqual(
    images.map(({ reference, isPulled, digest }) => [
      reference,
      isPulled,
      digest,
    ]),
    [
      [`${host}/app:1`, true, pulled],
      [written.reference, false, converted],
    ],
  );
  const [first, second] = images;
  assert.ok(first && first.blobBytes > 2048 && first.rootfsBytes > 0);
  assert.ok(second && second.blobBytes === 0 && second.rootfsBytes > 0);
  assert.ok(Date.now() - Date.parse(first.used) < 600_000);
});

Deno.test("an image goes with what only it is made of", async () => {
  await using here = await site();
  const { host } = here.registry;
  await here.registry.add(imageOf("shared", "one"));
  await here.registry.add({ ...imageOf("shared", "two"), tag: "2" });
  await here.pull("app:1");
  await here.pull("app:2");
  assert.equal((await blobFiles(here.cache)).length, 7);
  const inventory = new ImageInventory(here.cache);
  const cleared = await inventory.remove(`${host}/app:1`);
  assert.deepEqual([cleared.references, cleared.blobs], [
    [`${host}/app:1`],
    3,
  ]);
  assert.deepEqual(await references(here), [`${host}/app:2`]);
  const asked = here.registry.asked.length;
  await here.pull("app:2");
  assert.equal(here.registry.asked.length, asked, "it is whole");
  await assert.rejects(inventory.remove(`${host}/app:1`), {
    code: "image-not-found",
    hint: "List what is there: volant image list",
  });
});

Deno.test("an image is found by how its digest begins, and goes with all of its names", async () => {
  await using here = await site();
  const digest = await here.registry.add(imageOf("one"));
  await here.registry.add({ ...imageOf("one"), tag: "2" });
  await here.pull("app:1");
  await here.pull("app:2");
  const inventory = new ImageInventory(here.cache);
  const word = digest.slice("sha256:".length, "sha256:".length + 8);
  assert.equal((await inventory.find(word)).length, 2);
  await assert.rejects(inventory.find(word.slice(0, 5)), {
    code: "image-not-found",
  });
  const cleared = await inventory.remove(digest);
  assert.equal(cleared.references.length, 2);
  assert.deepEqual(await blobFiles(here.cache), []);
});

Deno.test("what no name stands for is pruned, and all of it on request", async () => {
  await using here = await site();
  const { host } = here.registry;
  await here.registry.add(imageOf("old"));
  await convert(here, `${host}/app:1`);
  await Deno.remove(`${here.registry.folder}/index.json`);
  await here.registry.add(imageOf("new"));
  await here.pull("app:1", { policy: "always" });
  await Deno.writeTextFile(
    `${here.cache}/blobs/.incoming/sha256-${"0".repeat(64)}`,
    "begun",
  );
  const written = await writeOciLayout(`${here.cache}/disk`, imageOf("disk"));
  await convert(here, written.reference);
  const inventory = new ImageInventory(here.cache);
  const cleared = await inventory.prune({ all: false });
  assert.deepEqual(
    [cleared.references, cleared.blobs, cleared.converted],
    [[], 4, 2],
  );
  assert.ok(cleared.bytes > 0);
  assert.deepEqual(await references(here), [`${host}/app:1`]);
  await here.pull("app:1", { policy: "never" });
  const all = await inventory.prune({ all: true });
  assert.deepEqual([all.references, all.blobs], [[`${host}/app:1`], 3]);
  assert.deepEqual(await references(here), []);
  assert.deepEqual(await blobFiles(here.cache), []);
});

Deno.test("an image is looked into without its layers, pulled or converted", async () => {
  await using here = await site();
  const { host } = here.registry;
  const digest = await here.registry.add(imageOf("one", "two"));
  await here.pull("app:1");
  const inspect = (word: string) =>
    inspectImage(word, { cacheDir: here.cache, signal });
  const details = await inspect(`${host}/app:1`);
  assert.equal(details.digest, digest);
  assert.deepEqual(details.config.Cmd, ["/file0"]);
  assert.deepEqual(details.layers.map(({ size }) => size), [2048, 2048]);
  assert.equal(details.rootfs, undefined);
  const word = digest.slice("sha256:".length, "sha256:".length + 12);
  assert.equal((await inspect(word)).reference, `${host}/app:1`);
  await assert.rejects(inspect(`${host}/app:2`), { code: "image-not-found" });

  const written = await writeOciLayout(`${here.cache}/disk`, imageOf("disk"));
  assert.equal((await inspect(written.reference)).digest, written.digest);
  await convert(here, written.reference);
  await Deno.remove(`${here.cache}/disk`, { recursive: true });
  const kept = await inspect(written.digest);
  assert.equal(kept.reference, written.reference);
  assert.match(kept.rootfs ?? "", /rootfs\.erofs$/);
});
