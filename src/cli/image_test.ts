import assert from "node:assert/strict";
import { fakeRegistry } from "../../tests/harness/fake_registry.ts";
import { volant } from "./fake_daemon.ts";

interface Site extends AsyncDisposable {
  readonly host: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A registry with the image `app:1`, and a cache. */
async function site(): Promise<Site> {
  const registry = await fakeRegistry();
  const cache = await Deno.makeTempDir({ prefix: "volant-cli-images-" });
  await registry.add({
    tag: "1",
    created: "2026-01-31T10:00:00Z",
    layers: [{ entries: [{ name: "hello", content: "hi\n" }] }],
    config: {
      Entrypoint: ["/bin/sh"],
      Cmd: ["-c", "env"],
      Env: ["PATH=/bin", "KEY=s3cret"],
      ExposedPorts: { "80/tcp": {} },
    },
  });
  return {
    host: registry.host,
    env: { VOLANT_CACHE: cache, HOME: cache },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await Deno.remove(cache, { recursive: true });
    },
  };
}

Deno.test("image: pull, list, inspect, remove and prune", async () => {
  await using here = await site();
  const { env, host } = here;
  const name = `${host}/app:1`;
  const run = (...words: string[]) => volant(words, { env });
  const pulled = await run("image", "pull", name);
  assert.equal(pulled.status, 0, pulled.stderr);
  assert.match(pulled.stdout, /^127\.0\.0\.1:\d+\/app:1 is [0-9a-f]{12}, \d+/);
  assert.match(pulled.stderr, /^pulling .*\nlayer 1 of 1: pulling \d+ B\n/);

  const { stdout: table } = await run("images", "list");
  const [heading = "", line = ""] = table.split("\n");
  assert.match(
    heading,
    /^IMAGE +DIGEST +PLATFORM +SIZE +CREATED +USED$/,
  );
  assert.match(
    line,
    /^127\.0\.0\.1:\d+\/app:1 +[0-9a-f]{12} +linux\/\w+ +\S+ \S+ +2026-01-31 +\d+s ago$/,
  );
  assert.equal((await run("image", "list", "-q")).stdout, `${name}\n`);
  const [view] = JSON.parse((await run("image", "list", "--json")).stdout);
  assert.equal(view.reference, name);
  assert.equal(view.pulled, true);
  assert.equal(view.created, "2026-01-31T10:00:00Z");

  const { stdout: text } = await run("image", "inspect", name);
  assert.match(text, /^entrypoint: +\["\/bin\/sh"\]$/m);
  assert.match(text, /^env: +PATH, KEY$/m);
  assert.match(text, /^ports: +80\/tcp$/m);
  assert.doesNotMatch(text, /s3cret/);
  const details = JSON.parse(
    (await run("image", "inspect", name, "--json")).stdout,
  );
  assert.deepEqual(details.config.Env, ["PATH=/bin", "KEY=s3cret"]);
  assert.equal(details.layers.length, 1);

  const kept = JSON.parse((await run("image", "prune", "--json")).stdout);
  assert.deepEqual(kept, { references: [], blobs: 0, converted: 0, bytes: 0 });
  const removed = await run("image", "remove", name, "absent");
  assert.equal(removed.status, 66);
  assert.match(removed.stdout, /\/app:1 is removed: 3 blobs, /);
  assert.match(removed.stderr, /Cannot find image "absent": it is not in/);
  assert.equal((await run("image", "list", "--json")).stdout, "[]\n");
  assert.equal((await run("image", "prune")).stdout, "cleared no file\n");
});

Deno.test("image pull: what fails is told, and the others are pulled", async () => {
  await using here = await site();
  const { env, host } = here;
  const names = [`${host}/app:2`, `${host}/app:1`, "oci:/absent"];
  const { status, stdout, stderr } = await volant(
    ["image", "pull", ...names, "--json"],
    { env },
  );
  assert.equal(status, 66);
  const faults = stderr.split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line).code);
  assert.deepEqual(faults, ["image-not-found", "file-not-found"]);
  assert.equal(JSON.parse(stdout).length, 1);
});

Deno.test("image names in the cache are proposed to the shell", async () => {
  await using here = await site();
  const { env, host } = here;
  const name = `${host}/app:1`;
  await volant(["image", "pull", name], { env });
  for (
    const words of [["image", "remove"], ["image", "inspect"], ["run"]]
  ) {
    const { stdout } = await volant(["__complete", ...words, "127."], { env });
    assert.ok(stdout.includes(name), stdout);
  }
});
