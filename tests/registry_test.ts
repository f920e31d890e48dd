/**
 * Images of registries, from outside: the built executable pulls from a real
 * registry on a loopback port, and from one that misbehaves.
 */

import assert from "node:assert/strict";
import { built } from "./harness/built.ts";
import { dockerRegistry, PASSWORD, USER } from "./harness/docker_registry.ts";
import { cutAfter, fakeRegistry } from "./harness/fake_registry.ts";
import {
  addToIndex,
  blobPath,
  type Descriptor,
  HOST_ARCHITECTURE,
  type LayoutImage,
  sha256,
  writeJsonBlob,
  writeOciLayout,
} from "./harness/oci_image.ts";
import { filesBelow, type Result, TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

const IMAGE: LayoutImage = {
  tag: "1",
  layers: [
    {
      entries: [
        { name: "bin/", type: "5", mode: 0o755 },
        {
          name: "bin/busybox",
          content: Deno.readFileSync("/bin/busybox"),
          mode: 0o755,
        },
        { name: "bin/sh", type: "2", linkName: "busybox" },
      ],
    },
    {
      entries: [{ name: "greeting", content: "from a registry\n" }],
      compression: "zstd",
    },
  ],
  config: { Entrypoint: ["/bin/sh", "-c"], Cmd: ["busybox cat /greeting"] },
};

/** A cache and a layout of the image; the program with nothing else of its caller's. */
class Puller implements AsyncDisposable {
  readonly folder: string;
  readonly env: Record<string, string>;

  private constructor(folder: string) {
    this.folder = folder;
    this.env = {
      HOME: folder,
      PATH: Deno.env.get("PATH") ?? "",
      VOLANT_CACHE: `${folder}/cache`,
      VOLANT_STATE_DIR: `${folder}/state`,
    };
  }

  static async start(): Promise<Puller> {
    const folder = await Deno.makeTempDir({ prefix: "volant-puller-" });
    await writeOciLayout(`${folder}/image`, IMAGE);
    return new Puller(folder);
  }

  get layout(): string {
    return `oci:${this.folder}/image:1`;
  }

  spawn(...words: readonly string[]): Deno.ChildProcess {
    return new Deno.Command(built("volant"), {
      args: [...words],
      clearEnv: true,
      env: this.env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  async volant(...words: readonly string[]): Promise<Result> {
    const { code, stdout, stderr } = await this.spawn(...words).output();
    const text = new TextDecoder();
    return {
      status: code,
      stdout: text.decode(stdout),
      stderr: text.decode(stderr),
    };
  }

  /** As `volant`, for what must succeed; its standard output. */
  async run(...words: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.volant(...words);
    assert.equal(status, 0, `${words.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Where logins are kept, with one for a registry. */
  async login(host: string, password = PASSWORD): Promise<void> {
    await Deno.mkdir(`${this.folder}/.docker`, { recursive: true });
    const auth = btoa(`${USER}:${password}`);
    await Deno.writeTextFile(
      `${this.folder}/.docker/config.json`,
      JSON.stringify({ auths: { [host]: { auth } } }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** An image for this host and another platform; what to copy. */
async function severalPlatforms(folder: string): Promise<string> {
  const images = [HOST_ARCHITECTURE, "s390x"].map((architecture) => ({
    architecture,
    image: { ...IMAGE, tag: architecture, architecture },
  }));
  const manifests: Descriptor[] = [];
  for (const { architecture, image } of images) {
    const { digest } = await writeOciLayout(folder, image);
    manifests.push({
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest,
      size: (await Deno.stat(blobPath(folder, digest))).size,
      platform: { os: "linux", architecture },
    });
  }
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const index = { schemaVersion: 2, mediaType, manifests };
  await addToIndex(folder, {
    ...await writeJsonBlob(folder, mediaType, index),
    annotations: { "org.opencontainers.image.ref.name": "many" },
  });
  return `oci:${folder}:many`;
}

function bytesBelow(folder: string): number {
  return filesBelow(folder).reduce((sum, path) => {
    try {
      return sum + Deno.statSync(path).size;
    } catch {
      // It was given its name in the meantime.
      return sum;
    }
  }, 0);
}

/** Each file's bytes are those of the digest that is its name. */
async function checkWhole(folder: string): Promise<void> {
  for (const path of filesBelow(folder)) {
    const digest = sha256(await Deno.readFile(path));
    assert.equal(digest, `sha256:${path.split("/").at(-1)}`);
  }
}

Deno.test("registry: an image is pulled and run, and once more without the registry", async () => {
  await using puller = await Puller.start();
  const env = { VOLANT_CACHE: `${puller.folder}/cache` };
  await using volant = await TmpVolant.start({ env });
  let name = "";
  {
    await using registry = await dockerRegistry();
    name = await registry.push(puller.layout, "team/greeter:1");
    const first = await volant.volant("run", "--rm", name);
    assert.deepEqual([first.status, first.stdout], [0, "from a registry\n"]);
    assert.match(first.stderr, /: pulling 127\.0\.0\.1:\d+\/team\/greeter:1\n/);
    assert.match(first.stderr, /: layer 1 of 2: pulling \d/);
    const requests = (await registry.requests()).length;
    const second = await volant.volant("run", "--rm", name, "--", "exit 3");
    assert.equal(second.status, 3);
    assert.doesNotMatch(second.stderr, /pulling/);
    assert.equal((await registry.requests()).length, requests);
    await volant.run("run", "--rm", "--pull", "always", name);
    assert.ok((await registry.requests()).length > requests);
  }
  const gone = await volant.run("run", "--rm", "--pull", "never", name);
  assert.equal(gone, "from a registry\n");
  const [image] = await volant.json("image", "list");
  assert.equal(image.reference, name);
  assert.ok(image.rootfs_bytes > 0 && image.blob_bytes > 0);
  const refused = await volant.volant("run", "--pull", "always", name);
  assert.equal(refused.status, 125);
  assert.match(refused.stderr, /nothing listens at 127\.0\.0\.1:\d+\nhint: /);
});

Deno.test("registry: one behind a password is opened by a login, and by no other", async () => {
  await using puller = await Puller.start();
  await using registry = await dockerRegistry({ hasPassword: true });
  const name = await registry.push(puller.layout, "app:1");
  const stranger = await puller.volant("image", "pull", name);
  assert.equal(stranger.status, 77);
  assert.match(
    stranger.stderr,
    /no credentials are known for it\nhint: Log in/,
  );
  await puller.login(registry.host, "wr0ng");
  const wrong = await puller.volant("image", "pull", name, "--json");
  assert.equal(wrong.status, 77);
  assert.match(wrong.stderr, /credentials from \S+config\.json do not open it/);
  assert.doesNotMatch(wrong.stderr + wrong.stdout, /wr0ng|Basic/);
  await puller.login(registry.host);
  await puller.run("image", "pull", name);
});

Deno.test("registry: a private authority is trusted when it is named", async () => {
  await using puller = await Puller.start();
  await using registry = await dockerRegistry({ hasTls: true });
  const name = await registry.push(puller.layout, "app:1");
  const unknown = await puller.volant("image", "pull", name);
  assert.equal(unknown.status, 69);
  assert.match(
    unknown.stderr,
    /certificate of 127\.0\.0\.1:\d+ is not trusted/,
  );
  assert.match(unknown.stderr, /\nhint: .*--ca FILE/);
  await puller.run("image", "pull", "--ca", registry.caFile, name);
  await puller.run("image", "remove", name);
  puller.env["SSL_CERT_FILE"] = registry.caFile;
  await puller.run("image", "pull", name);
  delete puller.env["SSL_CERT_FILE"];
  const plain = await puller.volant("image", "pull", "--plain-http", name);
  assert.equal(plain.status, 69);
});

Deno.test("registry: of several platforms this host's is pulled, by tag, by digest and from a mirror", async () => {
  await using puller = await Puller.start();
  await using registry = await dockerRegistry();
  const folder = `${puller.folder}/many`;
  const name = await registry.push(
    await severalPlatforms(folder),
    "team/app:1",
  );
  const [pulled] = JSON.parse(
    await puller.run("image", "pull", "--json", name),
  );
  assert.equal(pulled.platform, `linux/${HOST_ARCHITECTURE}`);
  const { index } = JSON.parse(
    await puller.run("image", "inspect", "--json", name),
  );
  assert.notEqual(index, pulled.digest);
  const before = (await registry.requests()).length;
  for (const digest of [index, pulled.digest]) {
    const byDigest = `${registry.host}/team/app@${digest}`;
    await puller.run("image", "pull", byDigest);
    assert.match(await puller.run("image", "inspect", byDigest), /busybox cat/);
  }
  assert.equal((await registry.requests()).length, before, "all is here");
  await puller.run("image", "prune", "--all");
  puller.env["VOLANT_REGISTRY_MIRROR"] = `http://${registry.host}`;
  await puller.run("image", "pull", "team/app:1");
  assert.match(
    await puller.run("image", "list", "-q"),
    /^[\w.]+\/team\/app:1$/m,
  );
});

Deno.test("registry: Docker's own format is pulled, too", async () => {
  await using puller = await Puller.start();
  await using registry = await dockerRegistry();
  const layers = IMAGE.layers.slice(0, 1);
  await writeOciLayout(`${puller.folder}/gzip`, { ...IMAGE, layers });
  const layout = `oci:${puller.folder}/gzip:1`;
  const name = await registry.push(layout, "app:1", "v2s2");
  const [{ digest }] = JSON.parse(
    await puller.run("image", "pull", "--json", name),
  );
  const path = `${puller.folder}/cache/blobs/${digest.replace(":", "/")}`;
  assert.match(
    await Deno.readTextFile(path),
    /vnd\.docker\.distribution\.manifest\.v2\+json/,
  );
  assert.match(await puller.run("image", "inspect", name), /busybox cat/);
});

Deno.test("registry: a pull that is killed leaves nothing half, and the next goes on", async () => {
  await using puller = await Puller.start();
  await using registry = await fakeRegistry();
  const big = "x".repeat(400_000);
  const digest = await registry.add({
    tag: "1",
    layers: [{ entries: [{ name: "big", content: big }], compression: "none" }],
    config: { Cmd: ["/big"] },
  });
  const manifest = JSON.parse(
    new TextDecoder().decode(await registry.blob(digest)),
  );
  const layer: string = manifest.layers[0].digest;
  const bytes = await registry.blob(layer);
  registry.misbehave = ({ reference }) =>
    reference === layer
      ? new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(bytes.subarray(0, 100_000)),
        }),
      )
      : undefined;
  const name = `${registry.host}/app:1`;
  const child = puller.spawn("image", "pull", name);
  const partial = `${puller.folder}/cache/blobs/.incoming/${
    layer.replace(":", "-")
  }`;
  await until(
    "a part of the layer is here",
    async () =>
      (await Deno.stat(partial).catch(() => undefined))?.size === 100_000,
  );
  child.kill("SIGKILL");
  await child.output();
  assert.equal(await puller.run("image", "list", "--json"), "[]\n");

  registry.misbehave = () => undefined;
  await puller.run("image", "pull", name);
  const ranges = registry.asked.filter(({ reference }) => reference === layer)
    .map(({ headers }) => headers.get("range"));
  assert.deepEqual(ranges, [null, "bytes=100000-"]);
  const place = `${puller.folder}/cache/blobs/${layer.replace(":", "/")}`;
  assert.deepEqual(await Deno.readFile(place), bytes);
});

Deno.test("registry: whenever a pull is killed, what has its name is whole", async () => {
  await using puller = await Puller.start();
  await using registry = await dockerRegistry();
  const noise = (size: number) => {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 65_536) {
      crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
    }
    return bytes;
  };
  await writeOciLayout(`${puller.folder}/big`, {
    tag: "1",
    layers: [1, 5, 3, 7].map((mib) => ({
      entries: [{ name: `of${mib}`, content: noise(mib * 1024 * 1024) }],
    })),
    config: { Cmd: ["/of1"] },
  });
  const layout = `oci:${puller.folder}/big:1`;
  const name = await registry.push(layout, "big:1");
  const blobs = `${puller.folder}/cache/blobs`;
  let killed = 0;
  for (const mib of [0, 1, 2, 4, 8, 12, 15]) {
    const child = puller.spawn("image", "pull", name);
    let hasEnded = false;
    child.status.then(() => hasEnded = true);
    await until(
      `${mib} MiB are here`,
      () => hasEnded || bytesBelow(blobs) > mib * 1024 * 1024,
    );
    try {
      child.kill("SIGKILL");
      killed++;
    } catch (error) {
      // It was quicker.
      if (!(error instanceof TypeError)) throw error;
    }
    await child.output();
    await checkWhole(`${blobs}/sha256`);
  }
  assert.ok(killed > 3);
  await puller.run("image", "pull", name);
  await checkWhole(`${blobs}/sha256`);
  assert.deepEqual(filesBelow(`${blobs}/.incoming`), []);
  assert.equal(filesBelow(`${blobs}/sha256`).length, 6);
});

Deno.test("registry: nothing is cleared from under a pull", async () => {
  await using puller = await Puller.start();
  await using registry = await fakeRegistry();
  await registry.add(IMAGE);
  const { promise: go, resolve } = Promise.withResolvers<undefined>();
  registry.misbehave = ({ kind }) => kind === "blob" ? go : undefined;
  const name = `${registry.host}/app:1`;
  const pull = puller.spawn("image", "pull", name);
  await until(
    "a blob is asked for",
    () => registry.asked.some(({ kind }) => kind === "blob"),
  );
  const prune = puller.spawn("image", "prune");
  let text = "";
  for await (const part of prune.stderr.pipeThrough(new TextDecoderStream())) {
    text += part;
    resolve(undefined);
  }
  assert.equal(text, "waiting for pulls and conversions to end\n");
  assert.equal((await pull.output()).code, 0);
  assert.equal(await new Response(prune.stdout).text(), "cleared no file\n");
  assert.equal((await prune.status).code, 0);
});

Deno.test("registry: of two pulls at once one waits, and says so; Ctrl-C ends a pull", async () => {
  await using puller = await Puller.start();
  await using registry = await fakeRegistry();
  const digest = await registry.add(IMAGE);
  const manifest = JSON.parse(
    new TextDecoder().decode(await registry.blob(digest)),
  );
  const layer: string = manifest.layers[0].digest;
  const { promise: go, resolve } = Promise.withResolvers<undefined>();
  registry.misbehave = ({ reference }) => reference === layer ? go : undefined;
  const name = `${registry.host}/app:1`;
  const first = puller.spawn("image", "pull", name);
  await until(
    "the layer is asked for",
    () => registry.asked.some(({ reference }) => reference === layer),
  );
  const second = puller.spawn("image", "pull", name);
  const said = second.stderr.pipeThrough(new TextDecoderStream());
  let text = "";
  for await (const part of said) {
    text += part;
    if (!text.includes("waiting for another process")) continue;
    resolve(undefined);
  }
  assert.match(text, /layer 1 of 2: waiting for another process that pulls it/);
  assert.equal((await second.status).code, 0, text);
  await second.stdout.cancel();
  assert.equal((await first.output()).code, 0);
  const blobs = registry.lines.filter((line) => line.startsWith("blob"));
  assert.equal(blobs.length, 3, "each is fetched once");

  await puller.run("image", "prune", "--all");
  const { promise: never, resolve: end } = Promise.withResolvers<undefined>();
  registry.misbehave = ({ reference }) =>
    reference === layer ? never : undefined;
  const asked = registry.asked.length;
  const third = puller.spawn("image", "pull", name);
  await until(
    "the layer is asked for again",
    () =>
      registry.asked.slice(asked).some(({ reference }) => reference === layer),
  );
  third.kill("SIGINT");
  assert.equal((await third.output()).code, 130);
  end(undefined);
});

Deno.test("registry: cut, busy and slow, it is asked until the image is whole", async () => {
  await using puller = await Puller.start();
  await using registry = await fakeRegistry();
  const digest = await registry.add(IMAGE);
  const manifest = JSON.parse(
    new TextDecoder().decode(await registry.blob(digest)),
  );
  const layer: string = manifest.layers[0].digest;
  const bytes = await registry.blob(layer);
  registry.misbehave = (asked) =>
    asked.kind === "manifest" && asked.count <= 2
      ? new Response("busy", { status: 503 })
      : asked.reference === layer && asked.count <= 3
      ? cutAfter(bytes, 200_000, asked)
      : undefined;
  const name = `${registry.host}/app:1`;
  const { status, stderr } = await puller.volant("image", "pull", name);
  assert.equal(status, 0, stderr);
  assert.match(stderr, /answered 503; trying again in \d\.\d s/);
  assert.match(stderr, /the connection broke off; trying again in/);
});

Deno.test("registry: a proxy of the environment is asked in the registry's place", async () => {
  await using puller = await Puller.start();
  await using proxy = await fakeRegistry();
  await proxy.add(IMAGE);
  puller.env["HTTP_PROXY"] = `http://${proxy.host}`;
  puller.env["http_proxy"] = `http://${proxy.host}`;
  await puller.run("image", "pull", "--plain-http", "registry.invalid/app:1");
  assert.equal(proxy.lines.length, 4);
  assert.equal(proxy.asked[0]?.headers.get("host"), "registry.invalid");
});

Deno.test("registry: what is not there is told, with what may have been meant", async () => {
  await using puller = await Puller.start();
  await using registry = await dockerRegistry();
  await registry.push(puller.layout, "app:1");
  const none = await puller.volant("image", "pull", `${registry.host}/app:2`);
  assert.equal(none.status, 66);
  assert.match(none.stderr, /repository "app" has no such image/);
  assert.match(none.stderr, /\nhint: Check the name and the tag/);
  const disk = await puller.volant("image", "pull", puller.layout);
  assert.equal(disk.status, 64);
  assert.match(disk.stderr, /it is on this host's disk already\nhint: /);
  const near = await new Deno.Command(built("volant"), {
    args: ["image", "inspect", "imag"],
    cwd: puller.folder,
    clearEnv: true,
    env: puller.env,
  }).output();
  assert.equal(near.code, 66);
  assert.match(
    new TextDecoder().decode(near.stderr),
    /hint: Did you mean oci:\.\/image\? Else: /,
  );
});
