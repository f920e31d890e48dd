import assert from "node:assert/strict";
import type { VmConfig } from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import { checkManifest } from "../../manifest/parse.ts";
import { ArtifactStore } from "../artifacts/artifact_store.ts";
import { openDatabase } from "../store/database.ts";
import { PluginStore } from "../store/plugins.ts";
import { VmStore } from "../store/vms.ts";
import { PluginRegistry } from "./registry.ts";
import { resolveCreate } from "./resolve_create.ts";

const never = new AbortController().signal;

interface Bench extends AsyncDisposable {
  readonly registry: PluginRegistry;
  readonly vms: VmStore;
  /** A manifest of a file with that text. */
  manifest(text: string, more?: Record<string, unknown>): ManifestInput;
  /** Texts of the files that are held. */
  held(): string[];
  addVm(name: string, plugin: string): void;
}

type ManifestInput = ReturnType<typeof checkManifest>;

async function bench(): Promise<Bench> {
  const folder = await Deno.makeTempDir();
  const database = openDatabase(":memory:");
  const artifacts = new ArtifactStore(folder);
  await artifacts.open();
  const vms = new VmStore(database);
  const plugins = new PluginStore(database);
  const registry = new PluginRegistry({
    plugins,
    artifacts,
    vms,
    isArtifactUsed: (digest) =>
      vms.usesArtifact(digest) || plugins.usesArtifact(digest),
  });
  return {
    registry,
    vms,
    manifest(text, more = {}) {
      const path = `${folder}/${text}`;
      Deno.writeTextFileSync(path, text);
      return checkManifest({
        name: "web",
        version: text,
        initramfs: { url: path },
        workload: { entrypoint: ["/bin/web"] },
        ...more,
      }, "it");
    },
    held: () =>
      [...Deno.readDirSync(`${folder}/artifacts/sha256`)]
        .map(({ name }) =>
          Deno.readTextFileSync(`${folder}/artifacts/sha256/${name}`)
        ).toSorted(),
    addVm(name, plugin) {
      const { manifest, artifacts } = registry.get(plugin);
      vms.insert({
        name,
        config: { plugin, manifest } as VmConfig,
        artifacts: artifacts as { initramfs: string },
        lease: { mode: "none", ip: "", mac: "", publish: [] },
        hypervisor: "qemu",
        boot: undefined,
        wanted: "stopped",
      });
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function faultOf(act: () => unknown): Fault {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return error;
  }
  assert.fail("nothing was thrown");
}

Deno.test("install() names every file of the manifest by its digest", async () => {
  await using here = await bench();
  const file = { url: here.manifest("a").initramfs?.url };
  const manifest = here.manifest("b", {
    rootfs: { ...file, format: "erofs" },
    disks: [{ name: "data", source: file.url, readonly: true }],
  });
  const { plugin } = await here.registry.install(manifest, never);
  const { initramfs, rootfs, "disk:data": data } = plugin.artifacts;
  assert.equal(rootfs, data);
  assert.notEqual(rootfs, initramfs);
  assert.equal(plugin.manifest.rootfs?.url, rootfs);
  assert.equal(plugin.manifest.rootfs?.checksum, rootfs);
  assert.equal(plugin.manifest.rootfs?.format, "erofs");
  assert.equal(plugin.manifest.disks[0]?.source, data);
  assert.deepEqual(here.held(), ["a", "b"]);
  assert.deepEqual(checkManifest(plugin.manifest, "it"), plugin.manifest);
});

Deno.test("install() replaces under a name, and lets go of what nobody uses", async () => {
  await using here = await bench();
  await here.registry.install(here.manifest("a"), never);
  const { replaced } = await here.registry.install(here.manifest("b"), never);
  assert.equal(replaced?.version, "a");
  assert.deepEqual(here.held(), ["b"]);
  here.addVm("vm", "web");
  await here.registry.install(here.manifest("c"), never);
  assert.deepEqual(here.held(), ["b", "c"]);
  await here.registry.install(here.manifest("c", { name: "two" }), never);
  await here.registry.remove("web");
  assert.deepEqual(here.held(), ["b", "c"]);
  await here.registry.remove("two");
  assert.deepEqual(here.held(), ["b"]);
});

Deno.test("install() that fails leaves what was there before, and no file", async () => {
  await using here = await bench();
  await here.registry.install(here.manifest("a"), never);
  const broken = here.manifest("b", { rootfs: { url: "/no/such/file" } });
  await assert.rejects(here.registry.install(broken, never), {
    code: "file-not-found",
  });
  assert.equal(here.registry.get("web").version, "a");
  assert.deepEqual(here.held(), ["a"]);
});

Deno.test("a plugin that is disabled or gone refuses VMs and names those it has", async () => {
  await using here = await bench();
  const { registry } = here;
  await registry.install(here.manifest("a"), never);
  assert.equal(registry.manifestFor("new", "web").version, "a");
  registry.setEnabled("web", false);
  const nobody = faultOf(() => registry.manifestFor("new", "web"));
  assert.equal(
    nobody.message,
    'Cannot create VM "new": plugin "web" is disabled',
  );
  here.addVm("b", "web");
  here.addVm("a", "web");
  const disabled = faultOf(() => registry.manifestFor("new", "web"));
  assert.equal(disabled.code, "plugin-disabled");
  assert.match(disabled.message, /disabled; VMs "a", "b" still use it$/);
  assert.deepEqual(disabled.details, { plugin: "web", vms: ["a", "b"] });
  for (let count = 0; count < 6; count++) here.addVm(`c${count}`, "web");
  await registry.remove("web");
  const gone = faultOf(() => registry.manifestFor("new", "web"));
  assert.equal(gone.code, "plugin-not-found");
  assert.match(gone.message, /"c2" and 3 more still use it$/);
  assert.equal((gone.details["vms"] as string[]).length, 8);
});

Deno.test("a plugin that is not there can be neither shown, set nor removed", async () => {
  await using here = await bench();
  const code = "plugin-not-found";
  assert.throws(() => here.registry.get("x"), { code });
  assert.throws(() => here.registry.setEnabled("x", true), { code });
  await assert.rejects(here.registry.remove("x"), { code });
});

Deno.test("resolveCreate() takes the manifest of the request or that of the plugin", async () => {
  await using here = await bench();
  const { registry } = here;
  const { plugin } = await registry.install(here.manifest("a"), never);
  const named = resolveCreate(registry, {
    name: "vm",
    plugin: "Web",
    config: { plugin: "web", env: { A: "1" } },
  });
  assert.deepEqual(named.config, {
    plugin: "web",
    env: { A: "1" },
    manifest: plugin.manifest,
  });
  const manifest = here.manifest("b");
  const own = resolveCreate(registry, {
    name: "vm",
    plugin: "web",
    config: { manifest },
  });
  assert.deepEqual(own.config, { manifest });
});

Deno.test("resolveCreate() refuses what names two plugins or none", () => {
  const plugins = {
    manifestFor: () => assert.fail("it was asked for a plugin"),
  };
  const none = faultOf(() => resolveCreate(plugins, { name: "vm" }));
  assert.equal(none.code, "invalid-input");
  assert.match(none.message, /config\.manifest is missing, and so is plugin/);
  const two = faultOf(() =>
    resolveCreate(plugins, {
      name: "vm",
      plugin: "a",
      config: { plugin: "b" },
    })
  );
  assert.match(two.message, /names plugin "a" and plugin "b"/);
});
