import assert from "node:assert/strict";
import { parseFledgeToml } from "../builder/fledge_toml.ts";
import { parseManifestTemplate } from "../manifest/parse.ts";
import { volant } from "./fake_daemon.ts";
import { EXAMPLE_FILES } from "./recipe_example.ts";

Deno.test("the example is a valid recipe with a valid manifest", () => {
  const { "fledge.toml": recipe = "", "manifest.toml": manifest = "" } =
    EXAMPLE_FILES;
  const { mappings, unused } = parseFledgeToml(recipe, "fledge.toml");
  assert.deepEqual(mappings.map(({ dst }) => dst), ["/srv/index.html"]);
  assert.deepEqual(unused, []);
  const { workload, network } = parseManifestTemplate(manifest, {
    name: "manifest.toml",
    format: "toml",
  });
  assert.equal(workload?.entrypoint[0], "/bin/httpd");
  assert.deepEqual(
    network?.expose.map(({ port, host_port }) => [port, host_port]),
    [[80, 0]],
  );
});

Deno.test("build --init writes the example, and never over a file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const words = ["build", "--init", `${folder}/new/fledge.toml`];
    const { status, stdout, stderr } = await volant(words);
    assert.equal(status, 0);
    assert.equal(stderr, `next: volant build ${folder}/new/fledge.toml\n`);
    const names = Object.keys(EXAMPLE_FILES);
    assert.deepEqual(
      stdout.trimEnd().split("\n"),
      names.map((name) => `${folder}/new/${name}`),
    );
    await Deno.remove(`${folder}/new/fledge.toml`);
    const again = await volant(words);
    assert.equal(again.status, 64);
    assert.match(again.stderr, /manifest\.toml": a file is there already/);
    await assert.rejects(
      Deno.stat(`${folder}/new/fledge.toml`),
      Deno.errors.NotFound,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
