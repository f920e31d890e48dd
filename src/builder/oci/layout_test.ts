import assert from "node:assert/strict";
import {
  addToIndex,
  blobPath,
  HOST_ARCHITECTURE,
  layoutArchive,
  sha256,
  writeJsonBlob,
  writeOciLayout,
} from "../../../tests/harness/oci_image.ts";
import { tar } from "../../../tests/harness/tar.ts";
import { tmpFolder } from "../testing.ts";
import { openDockerArchive } from "./docker_archive.ts";
import { archiveFiles, folderFiles } from "./image_files.ts";
import { openLayout } from "./layout.ts";
import type { OpenedImage } from "./opened_image.ts";
import { applied, linesOf } from "./testing.ts";

const { signal } = new AbortController();

const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";

async function open(folder: string, tag?: string): Promise<OpenedImage> {
  const reference = {
    text: "test",
    transport: "oci",
    path: folder,
    tag,
  } as const;
  return await openLayout(folderFiles(folder), reference, signal);
}

async function filesOf(image: OpenedImage): Promise<string[]> {
  return linesOf((await applied(image.layers)).root);
}

/** A layout with one image of one file, whose content is `content`. */
async function layout(folder: string, content: string, tag = "latest") {
  return await writeOciLayout(folder, {
    tag,
    layers: [{ entries: [{ name: "a", content }] }],
    config: { Cmd: ["/a"] },
  });
}

async function rewriteIndex(
  folder: string,
  change: (text: string) => string,
): Promise<void> {
  const path = `${folder}/index.json`;
  await Deno.writeTextFile(path, change(await Deno.readTextFile(path)));
}

Deno.test("an image is chosen by its tag, by its whole name, or as the only one", async () => {
  await using tmp = await tmpFolder();
  const one = await layout(tmp.path, "one", "1");
  assert.equal((await open(tmp.path)).digest, one.digest);
  const two = await layout(tmp.path, "two", "docker.io/library/web:2");
  assert.equal((await open(tmp.path, "1")).digest, one.digest);
  assert.equal((await open(tmp.path, "2")).digest, two.digest);
  const named = await open(tmp.path, "docker.io/library/web:2");
  assert.equal(named.digest, two.digest);
  assert.equal(named.name, "docker.io/library/web:2");
  assert.deepEqual(await filesOf(named), ['/a file 644 0:0 "two"']);
  await assert.rejects(open(tmp.path), {
    code: "invalid-input",
    message: /it holds 2 images/,
    hint: /1, docker\.io\/library\/web:2/,
  });
  await assert.rejects(open(tmp.path, "3"), { message: /it has no "3"/ });
  const latest = await layout(tmp.path, "three");
  assert.equal((await open(tmp.path)).digest, latest.digest);
});

Deno.test("of several platforms the one of this host is taken, through nested indexes", async () => {
  await using tmp = await tmpFolder();
  const own = await layout(tmp.path, "own");
  const { size } = await Deno.stat(blobPath(tmp.path, own.digest));
  const manifest = {
    mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    digest: own.digest,
    size,
  };
  const other = `sha256:${"0".repeat(64)}`;
  const inner = await writeJsonBlob(tmp.path, INDEX_TYPE, {
    manifests: [
      {
        ...manifest,
        digest: other,
        platform: { os: "unknown", architecture: "unknown" },
      },
      {
        ...manifest,
        digest: other,
        platform: { os: "linux", architecture: "s390x" },
      },
      {
        ...manifest,
        digest: other,
        platform: {
          os: "linux",
          architecture: HOST_ARCHITECTURE,
          variant: "v9",
        },
      },
      {
        ...manifest,
        platform: { os: "linux", architecture: HOST_ARCHITECTURE },
      },
    ],
  });
  const outer = await writeJsonBlob(tmp.path, INDEX_TYPE, {
    manifests: [inner],
  });
  await Deno.remove(`${tmp.path}/index.json`);
  await addToIndex(tmp.path, outer);
  assert.equal((await open(tmp.path)).digest, own.digest);
});

Deno.test("an image for other machines is refused, naming theirs", async () => {
  await using tmp = await tmpFolder();
  const index = await writeJsonBlob(tmp.path, INDEX_TYPE, {
    manifests: [{
      mediaType: INDEX_TYPE,
      digest: `sha256:${"0".repeat(64)}`,
      size: 1,
      platform: { os: "linux", architecture: "s390x" },
    }],
  });
  await addToIndex(tmp.path, index);
  const refusal = {
    code: "not-supported",
    message: new RegExp(`it is for linux/s390x, .* linux/${HOST_ARCHITECTURE}`),
  };
  await assert.rejects(open(tmp.path), refusal);
  await writeOciLayout(tmp.path, {
    tag: "s",
    layers: [],
    architecture: "s390x",
  });
  await assert.rejects(open(tmp.path, "s"), refusal);
});

Deno.test("indexes that go round in circles, or too deep, are refused", async () => {
  await using tmp = await tmpFolder();
  let index = await writeJsonBlob(tmp.path, INDEX_TYPE, { manifests: [] });
  for (let depth = 0; depth < 8; depth++) {
    index = await writeJsonBlob(tmp.path, INDEX_TYPE, { manifests: [index] });
  }
  await addToIndex(tmp.path, index);
  await assert.rejects(open(tmp.path), { message: /indexes go too deep/ });
});

Deno.test("a changed manifest, config or layer is found out", async () => {
  await using tmp = await tmpFolder();
  const { digest } = await layout(tmp.path, "x".repeat(2000));
  const manifest = JSON.parse(
    await Deno.readTextFile(blobPath(tmp.path, digest)),
  );
  const change = async (digest: string, isLonger: boolean) => {
    const path = blobPath(tmp.path, digest);
    const good = await Deno.readFile(path);
    const bad = isLonger
      ? Uint8Array.of(...good, 0)
      : Uint8Array.from(good).fill(0x20, good.length - 1);
    await Deno.writeFile(path, bad);
    return async () => await Deno.writeFile(path, good);
  };
  const [layer] = manifest.layers;
  for (const each of [digest, manifest.config.digest, layer.digest]) {
    for (const isLonger of [true, false]) {
      const restore = await change(each, isLonger);
      await assert.rejects(open(tmp.path).then(filesOf), {
        code: "checksum-mismatch",
      });
      await restore();
    }
  }
  assert.equal((await filesOf(await open(tmp.path))).length, 1);
});

Deno.test("what is no container image, or not whole, is refused with the reason", async () => {
  const cases: readonly (readonly [
    (text: string) => string,
    string,
    RegExp,
  ])[] = [
    [() => "{", "invalid-image", /index\.json is not JSON/],
    [() => "{}", "invalid-image", /index\.json is not as it should be/],
    [
      (text) => text.replace(/sha256:\w+/, "sha256:../../../etc/passwd"),
      "invalid-image",
      /not a digest that can be checked/,
    ],
    [
      (text) => text.replace(/sha256:\w+/, `sha256:${"0".repeat(64)}`),
      "invalid-image",
      /blob sha256:0+ is not in it/,
    ],
    [
      (text) => text.replace("image.manifest.v1", "artifact.v9"),
      "not-supported",
      /manifest of the type ".*artifact\.v9/,
    ],
  ];
  for (const [change, code, message] of cases) {
    await using tmp = await tmpFolder();
    await layout(tmp.path, "x");
    await rewriteIndex(tmp.path, change);
    await assert.rejects(open(tmp.path), { code, message });
  }
});

Deno.test("foreign layers, other types and layers that are not counted alike are refused", async () => {
  const cases: readonly (readonly [(text: string) => string, RegExp])[] = [
    [
      (text) =>
        text.replace("image.layer.v1", "image.layer.nondistributable.v1"),
      /a layer of it is foreign/,
    ],
    [
      (text) => text.replace("v1.tar+gzip", "v1.tar+gzip+encrypted"),
      /a layer of it is of the type ".*encrypted"/,
    ],
    [
      (text) => text.replace("oci.image.config.v1", "cncf.helm.config.v1"),
      /no container image: its config is of the type ".*helm/,
    ],
    [
      (text) => text.replace(/"layers":\[.*\]/, '"layers":[]'),
      /its manifest has 0 layers, its config 1/,
    ],
  ];
  for (const [change, message] of cases) {
    await using tmp = await tmpFolder();
    const { digest } = await layout(tmp.path, "x");
    const text = await Deno.readTextFile(blobPath(tmp.path, digest));
    const changed = await writeJsonBlob(
      tmp.path,
      "application/vnd.oci.image.manifest.v1+json",
      JSON.parse(change(text)),
    );
    await Deno.remove(`${tmp.path}/index.json`);
    await addToIndex(tmp.path, changed);
    await assert.rejects(open(tmp.path), { message });
  }
});

Deno.test("an archive of a layout is read where it lies", async () => {
  await using tmp = await tmpFolder();
  const { digest } = await layout(`${tmp.path}/layout`, "archived");
  const path = `${tmp.path}/a.tar`;
  await Deno.writeFile(path, await layoutArchive(`${tmp.path}/layout`));
  const reference = { text: path, transport: "oci-archive", path } as const;
  const files = await archiveFiles(path, signal);
  const image = await openLayout(
    files,
    { ...reference, tag: undefined },
    signal,
  );
  assert.equal(image.digest, digest);
  assert.deepEqual(await filesOf(image), ['/a file 644 0:0 "archived"']);
});

const LAYER = tar([{ name: "a", content: "docker" }]);

/** An archive as docker save wrote it for long: the layer linked to. */
async function dockerArchive(
  folder: string,
  { tags = ["team/web:1"], change = (text: string) => text } = {},
) {
  const config = JSON.stringify({
    os: "linux",
    architecture: HOST_ARCHITECTURE,
    rootfs: { diff_ids: [sha256(LAYER)] },
  });
  const hex = sha256(new TextEncoder().encode(config)).slice("sha256:".length);
  const manifest = [{
    Config: `${hex}.json`,
    RepoTags: tags,
    Layers: ["two/layer.tar"],
  }];
  const path = `${folder}/docker.tar`;
  await Deno.writeFile(
    path,
    tar([
      { name: "one/layer.tar", content: LAYER },
      { name: "two/layer.tar", type: "2", linkName: "../one/layer.tar" },
      { name: `${hex}.json`, content: change(config) },
      { name: "manifest.json", content: JSON.stringify(manifest) },
    ]),
  );
  const open = async (tag?: string) =>
    await openDockerArchive(
      await archiveFiles(path, signal),
      { text: path, transport: "docker-archive", path, tag },
      signal,
    );
  return { open, digest: `sha256:${hex}` };
}

Deno.test("an archive of docker save is read, its layers' links followed", async () => {
  await using tmp = await tmpFolder();
  const { open, digest } = await dockerArchive(tmp.path);
  for (const tag of [undefined, "1", "web:1", "team/web:1"]) {
    const image = await open(tag);
    assert.equal(image.digest, digest);
    assert.equal(image.name, "team/web:1");
    assert.deepEqual(await filesOf(image), ['/a file 644 0:0 "docker"']);
  }
  await assert.rejects(open("2"), { hint: /team\/web:1/ });
});

Deno.test("a changed config of an archive is found out", async () => {
  await using tmp = await tmpFolder();
  const { open } = await dockerArchive(tmp.path, {
    change: (text) => text.replace("linux", "Linux"),
  });
  await assert.rejects(open(), {
    code: "checksum-mismatch",
    message: /its config is named/,
  });
});

Deno.test("an archive that is compressed, cut or none is refused with the reason", async () => {
  await using tmp = await tmpFolder();
  await dockerArchive(tmp.path);
  const whole = await Deno.readFile(`${tmp.path}/docker.tar`);
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [Uint8Array.of(0x1f, 0x8b, 8, 0), /itself is compressed/],
    [whole.subarray(0, 700), /ends in the middle/],
    [new TextEncoder().encode("hello".repeat(200)), /no tar archive/],
    [tar([{ name: "a", type: "2", linkName: "a" }]), /no manifest\.json/],
  ];
  const path = `${tmp.path}/bad.tar`;
  for (const [bytes, message] of cases) {
    await Deno.writeFile(path, bytes);
    const act = async () =>
      await openDockerArchive(
        await archiveFiles(path, signal),
        { text: path, transport: "docker-archive", path, tag: undefined },
        signal,
      );
    await assert.rejects(act(), { message });
  }
});
