import assert from "node:assert/strict";
import {
  addToIndex,
  blobPath,
  HOST_ARCHITECTURE,
  layoutArchive,
  writeJsonBlob,
  writeOciLayout,
} from "../../../tests/harness/oci_image.ts";
import { tmpFolder } from "../testing.ts";
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

Deno.test("a tag that means two images is refused, naming them; a whole name is not", async () => {
  await using tmp = await tmpFolder();
  const web = await layout(tmp.path, "web", "team/web:1");
  await layout(tmp.path, "db", "team/db:1");
  await assert.rejects(open(tmp.path, "1"), {
    code: "invalid-input",
    message: /"1" means several images/,
    hint: /team\/web:1, team\/db:1/,
  });
  assert.equal((await open(tmp.path, "team/web:1")).digest, web.digest);
  assert.equal((await open(tmp.path, "web:1")).digest, web.digest);
  const plain = await layout(tmp.path, "plain", "1");
  assert.equal((await open(tmp.path, "1")).digest, plain.digest);
});

Deno.test("of manifests with one tag that of this host's platform is taken", async () => {
  for (const tag of ["docker.io/library/web:2", undefined]) {
    await using tmp = await tmpFolder();
    const own = await layout(tmp.path, "own");
    const { size } = await Deno.stat(blobPath(tmp.path, own.digest));
    await Deno.remove(`${tmp.path}/index.json`);
    const add = async (architecture: string, digest: string) =>
      await addToIndex(tmp.path, {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest,
        size,
        platform: { os: "linux", architecture },
        ...(tag === undefined
          ? {}
          : { annotations: { "io.containerd.image.name": tag } }),
      });
    await add("s390x", `sha256:${"0".repeat(64)}`);
    await add(HOST_ARCHITECTURE, own.digest);
    assert.equal((await open(tmp.path, tag)).digest, own.digest);
    if (tag !== undefined) {
      assert.equal((await open(tmp.path, "2")).digest, own.digest);
    }
    await add("riscv64", `sha256:${"1".repeat(64)}`);
    assert.equal((await open(tmp.path, tag)).digest, own.digest);
    await add(HOST_ARCHITECTURE, `sha256:${"2".repeat(64)}`);
    await assert.rejects(open(tmp.path, tag), { code: "invalid-input" });
  }
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
