import assert from "node:assert/strict";
import {
  blobPath,
  type LayoutImage,
  writeOciLayout,
} from "../../../tests/harness/oci_image.ts";
import { run } from "../../lib/exec.ts";
import { tmpFolder } from "../testing.ts";
import { convertImage, type ConvertOptions, forgetImage } from "./convert.ts";
import { LIMITS } from "./limits.ts";

const IMAGE: LayoutImage = {
  tag: "1.0",
  created: "2024-05-06T07:08:09.5Z",
  layers: [
    {
      entries: [
        { name: "etc/", type: "5" },
        { name: "etc/passwd", content: "app:x:7:8:App:/srv:/bin/sh\n" },
        { name: "etc/group", content: "web:x:80:app\n" },
        { name: "old", content: "old".repeat(10_000) },
      ],
    },
    {
      entries: [
        { name: ".wh.old" },
        { name: "bin/app", content: "#!/bin/sh\n", mode: 0o755 },
        { name: "bin/again", type: "1", linkName: "bin/app" },
      ],
      compression: "zstd",
    },
  ],
  config: { Entrypoint: ["/bin/app"], Cmd: ["serve"], User: "app" },
};

async function convert(
  reference: string,
  cacheDir: string,
  options: Partial<ConvertOptions> = {},
) {
  const { signal } = new AbortController();
  return await convertImage(reference, {
    cacheDir,
    registry: { env: () => undefined },
    signal,
    ...options,
  });
}

async function namesIn(folder: string): Promise<string[]> {
  const names = [];
  for await (const { name } of Deno.readDir(folder)) names.push(name);
  return names.sort();
}

/** The parts of the cache in which a failed conversion could leave something. */
async function leftOvers(cacheDir: string): Promise<string[]> {
  return [
    ...(await namesIn(`${cacheDir}/images`)).filter((name) =>
      !name.startsWith(".")
    ),
    ...await namesIn(`${cacheDir}/images/.incoming`),
  ];
}

Deno.test("an image becomes a root file system and a manifest", async () => {
  await using tmp = await tmpFolder();
  const { reference, digest } = await writeOciLayout(`${tmp.path}/web`, IMAGE);
  const image = await convert(reference, `${tmp.path}/cache`);
  assert.equal(image.cached, false);
  assert.equal(image.imageDigest, digest);
  assert.deepEqual(image.manifest.workload?.groups, [80]);
  assert.deepEqual(image.notes, []);
  const { manifest } = image;
  assert.deepEqual([manifest.name, manifest.version], ["web", "1.0"]);
  assert.equal(manifest.workload?.user, "7:8");
  assert.equal(manifest.workload?.env["HOME"], "/srv");
  assert.equal(manifest.rootfs?.checksum, image.rootfsDigest);
  assert.equal(manifest.rootfs?.url, image.rootfsPath);
  const folder = `${tmp.path}/cache/images/${digest.slice("sha256:".length)}`;
  assert.equal(image.rootfsPath, `${folder}/rootfs.erofs`);
  assert.deepEqual(await namesIn(folder), ["image.json", "rootfs.erofs"]);
  const check = await run("fsck.erofs", [image.rootfsPath]);
  assert.ok(!check.includes("error"), check);
});

Deno.test("the same image gives the same bytes, elsewhere and later", async () => {
  await using tmp = await tmpFolder();
  const digests = new Set<string>();
  for (const name of ["one", "two"]) {
    const { reference } = await writeOciLayout(`${tmp.path}/${name}`, IMAGE);
    const image = await convert(reference, `${tmp.path}/cache-${name}`);
    digests.add(image.rootfsDigest);
  }
  assert.equal(digests.size, 1);
});

Deno.test("an image is converted once, and taken from the cache after", async () => {
  await using tmp = await tmpFolder();
  const cache = `${tmp.path}/cache`;
  const { reference } = await writeOciLayout(`${tmp.path}/web`, IMAGE);
  const first = await convert(reference, cache);
  const again = await convert(reference, cache, {
    overrides: { args: ["other"] },
  });
  assert.deepEqual(
    [again.cached, again.rootfsDigest, again.rootfsPath],
    [true, first.rootfsDigest, first.rootfsPath],
  );
  assert.deepEqual(again.manifest.workload?.args, ["other"]);
});

Deno.test("a cached image that is not whole is converted anew", async () => {
  await using tmp = await tmpFolder();
  const cache = `${tmp.path}/cache`;
  const { reference } = await writeOciLayout(`${tmp.path}/web`, IMAGE);
  const { rootfsPath, rootfsDigest } = await convert(reference, cache);
  const damages = [
    () => Deno.truncate(rootfsPath, 100),
    () => Deno.remove(rootfsPath),
    () =>
      Deno.writeTextFile(rootfsPath.replace("rootfs.erofs", "image.json"), "{"),
    () =>
      Deno.writeTextFile(
        rootfsPath.replace("rootfs.erofs", "image.json"),
        "{}",
      ),
  ];
  for (const damage of damages) {
    await damage();
    const image = await convert(reference, cache);
    assert.deepEqual([image.cached, image.rootfsDigest], [false, rootfsDigest]);
  }
});

Deno.test("an image that is forgotten is converted anew", async () => {
  await using tmp = await tmpFolder();
  const cache = `${tmp.path}/cache`;
  const { signal } = new AbortController();
  const { reference, digest } = await writeOciLayout(`${tmp.path}/web`, IMAGE);
  await forgetImage(cache, digest, signal);
  const { rootfsPath, rootfsDigest } = await convert(reference, cache);
  const whole = await Deno.readFile(rootfsPath);
  const changed = Uint8Array.from(whole);
  changed[5000] = (changed[5000] ?? 0) ^ 1;
  await Deno.writeFile(rootfsPath, changed);
  assert.equal((await convert(reference, cache)).cached, true);
  await forgetImage(cache, digest, signal);
  assert.deepEqual(await leftOvers(cache), []);
  const anew = await convert(reference, cache);
  assert.deepEqual([anew.cached, anew.rootfsDigest], [false, rootfsDigest]);
  assert.deepEqual(await Deno.readFile(rootfsPath), whole);
});

Deno.test("an image is not forgotten while it is being converted", async () => {
  await using tmp = await tmpFolder();
  const { digest } = await writeOciLayout(`${tmp.path}/web`, IMAGE);
  const hex = digest.slice("sha256:".length);
  const held = await tmp.file(`cache/images/.locks/${hex}`, "");
  const there = await tmp.file(`cache/images/${hex}/image.json`, "{}");
  using lock = await Deno.open(held, { write: true });
  await lock.lock(true);
  await assert.rejects(
    forgetImage(`${tmp.path}/cache`, digest, AbortSignal.timeout(200)),
    { name: "TimeoutError" },
  );
  assert.equal(await Deno.readTextFile(there), "{}");
});

Deno.test("two who want an image at once do the work once", async () => {
  await using tmp = await tmpFolder();
  const cache = `${tmp.path}/cache`;
  const { reference } = await writeOciLayout(`${tmp.path}/web`, IMAGE);
  const steps: string[] = [];
  const progress: ConvertOptions["progress"] = (each) => {
    if (each.kind === "step") steps.push(each.line);
  };
  const [one, two] = await Promise.all([
    convert(reference, cache, { progress }),
    convert(reference, cache, { progress }),
  ]);
  assert.equal(one.rootfsDigest, two.rootfsDigest);
  assert.deepEqual(steps.toSorted(), [
    "layer 1 of 2",
    "layer 2 of 2",
    "waiting for another conversion of this image",
  ]);
});

Deno.test("a damaged layer leaves nothing behind", async () => {
  await using tmp = await tmpFolder();
  const cache = `${tmp.path}/cache`;
  const { reference, digest } = await writeOciLayout(`${tmp.path}/web`, IMAGE);
  const manifest = JSON.parse(
    await Deno.readTextFile(blobPath(`${tmp.path}/web`, digest)),
  );
  const path = blobPath(`${tmp.path}/web`, manifest.layers[0].digest);
  const good = await Deno.readFile(path);
  for (const at of [20, good.length - 1]) {
    const bad = Uint8Array.from(good);
    bad[at] = (bad[at] ?? 0) ^ 0xff;
    await Deno.writeFile(path, bad);
    await assert.rejects(convert(reference, cache), {
      code: "checksum-mismatch",
      message: /^Cannot read layer 1 of image "oci:/,
    });
    assert.deepEqual(await leftOvers(cache), []);
  }
  await Deno.writeFile(path, good);
  assert.equal((await convert(reference, cache)).cached, false);
});

Deno.test("a conversion that is broken off, or too large, leaves nothing behind", async () => {
  await using tmp = await tmpFolder();
  const cache = `${tmp.path}/cache`;
  const { reference } = await writeOciLayout(`${tmp.path}/web`, IMAGE);
  const abort = new AbortController();
  await assert.rejects(
    convert(reference, cache, {
      signal: abort.signal,
      progress: () => abort.abort(new Error("stopped")),
    }),
    { message: "stopped" },
  );
  assert.deepEqual(await leftOvers(cache), []);
  await assert.rejects(
    convert(reference, cache, { limits: { ...LIMITS, entries: 4 } }),
    { code: "invalid-image" },
  );
  assert.deepEqual(await leftOvers(cache), []);
});

Deno.test("what a killed conversion left is removed by the next, of any image", async () => {
  await using tmp = await tmpFolder();
  const cache = `${tmp.path}/cache`;
  const { reference } = await writeOciLayout(`${tmp.path}/web`, IMAGE);
  await tmp.file("cache/images/.incoming/dead/rootfs.erofs", "half");
  await tmp.file("cache/images/.incoming/alive/rootfs.erofs", "half");
  const held = await tmp.file("cache/images/.locks/alive", "");
  using lock = await Deno.open(held, { write: true });
  await lock.lock(true);
  await convert(reference, cache);
  assert.deepEqual(await namesIn(`${cache}/images/.incoming`), ["alive"]);
});

Deno.test("an image with nothing to run is refused before any work", async () => {
  await using tmp = await tmpFolder();
  const cache = `${tmp.path}/cache`;
  const image = { ...IMAGE, config: {} };
  const { reference } = await writeOciLayout(`${tmp.path}/web`, image);
  await assert.rejects(convert(reference, cache), {
    code: "invalid-input",
    message: /names no program to run/,
  });
  await assert.rejects(Deno.stat(`${cache}/images`), Deno.errors.NotFound);
  const given = await convert(reference, cache, {
    overrides: { entrypoint: ["/bin/app"] },
  });
  assert.deepEqual(given.manifest.workload?.entrypoint, ["/bin/app"]);
});
