import assert from "node:assert/strict";
import { checkManifest } from "../../manifest/parse.ts";
import { openDatabase } from "./database.ts";
import { PluginStore } from "./plugins.ts";

const HEX = "0123456789abcdef".repeat(4);

const web = {
  name: "web",
  version: "1",
  enabled: true,
  manifest: checkManifest({
    name: "web",
    version: "1",
    initramfs: { url: `sha256:${HEX}` },
    workload: { entrypoint: ["/bin/web"] },
  }, "it"),
  artifacts: { initramfs: `sha256:${HEX}` },
};

Deno.test("PluginStore keeps a plugin, and replaces it under its name", () => {
  const store = new PluginStore(openDatabase(":memory:"));
  store.put(web);
  const first = store.find("web");
  assert.deepEqual(first?.manifest, web.manifest);
  assert.deepEqual(first?.artifacts, web.artifacts);
  store.put({ ...web, version: "2", artifacts: {} });
  assert.equal(store.list().length, 1);
  const second = store.find("web");
  assert.equal(second?.version, "2");
  assert.equal(second?.installedAt, first?.installedAt);
  store.delete("web");
  assert.equal(store.find("web"), undefined);
});

Deno.test("PluginStore says in the manifest too whether it is enabled", () => {
  const store = new PluginStore(openDatabase(":memory:"));
  store.put(web);
  store.setEnabled("web", false);
  assert.equal(store.find("web")?.enabled, false);
  assert.equal(store.find("web")?.manifest.enabled, false);
});

Deno.test("PluginStore lists by name and knows which artifacts are in use", () => {
  const store = new PluginStore(openDatabase(":memory:"));
  store.put({ ...web, name: "b" });
  store.put({ ...web, name: "a", artifacts: { "disk:data": "sha256:aa" } });
  assert.deepEqual(store.list().map(({ name }) => name), ["a", "b"]);
  assert.equal(store.usesArtifact("sha256:aa"), true);
  assert.equal(store.usesArtifact(`sha256:${HEX}`), true);
  store.delete("a");
  assert.equal(store.usesArtifact("sha256:aa"), false);
});
