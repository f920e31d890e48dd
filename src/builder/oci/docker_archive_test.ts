import assert from "node:assert/strict";
import { HOST_ARCHITECTURE, sha256 } from "../../../tests/harness/oci_image.ts";
import { tar } from "../../../tests/harness/tar.ts";
import { tmpFolder } from "../testing.ts";
import { openDockerArchive } from "./docker_archive.ts";
import { archiveFiles } from "./image_files.ts";
import type { OpenedImage } from "./opened_image.ts";
import { applied, linesOf } from "./testing.ts";

const { signal } = new AbortController();

async function filesOf(image: OpenedImage): Promise<string[]> {
  return linesOf((await applied(image.layers)).root);
}

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

Deno.test("a tag that two images of an archive have is refused, a whole name is not", async () => {
  await using tmp = await tmpFolder();
  const path = `${tmp.path}/two.tar`;
  const configs = ["one", "two"].map((author) =>
    JSON.stringify({ author, rootfs: { diff_ids: [sha256(LAYER)] } })
  );
  const names = configs.map((config) =>
    `${sha256(new TextEncoder().encode(config)).slice("sha256:".length)}.json`
  );
  const manifest = names.map((Config, index) => ({
    Config,
    RepoTags: [["team/web:1"], ["team/db:1", "web:1"]][index],
    Layers: ["layer.tar"],
  }));
  await Deno.writeFile(
    path,
    tar([
      { name: "layer.tar", content: LAYER },
      ...names.map((name, index) => ({ name, content: configs[index] ?? "" })),
      { name: "manifest.json", content: JSON.stringify(manifest) },
    ]),
  );
  const open = async (tag: string) =>
    await openDockerArchive(
      await archiveFiles(path, signal),
      { text: path, transport: "docker-archive", path, tag },
      signal,
    );
  await assert.rejects(open("1"), {
    code: "invalid-input",
    message: /"1" means several images/,
    hint: /team\/web:1, team\/db:1, web:1/,
  });
  assert.equal((await open("web:1")).name, "web:1");
  assert.equal((await open("team/web:1")).name, "team/web:1");
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
