import assert from "node:assert/strict";
import type { VmConfig } from "../../api/vms.ts";
import { openDatabase } from "./database.ts";
import { type NewVm, VmStore } from "./vms.ts";

const web: NewVm = {
  name: "web",
  config: { manifest: { name: "web" } } as VmConfig,
  artifacts: { initramfs: "sha256:aa" },
  lease: { mode: "none", ip: "", mac: "", publish: [] },
  hypervisor: "qemu",
  boot: undefined,
  wanted: "stopped",
};

Deno.test("VmStore keeps a record as it was given", () => {
  const store = new VmStore(openDatabase(":memory:"));
  const vm = store.insert(web);
  assert.equal(vm.status, "pending");
  store.update(vm, { status: "starting", kernelCmdline: "quiet" });
  const again = store.get("web");
  assert.equal(again.status, "starting");
  assert.equal(again.kernelCmdline, "quiet");
  assert.deepEqual(again.config, web.config);
});

Deno.test("VmStore refuses a used name and never gives an id twice", () => {
  const store = new VmStore(openDatabase(":memory:"));
  const first = store.insert(web);
  assert.throws(() => store.insert(web), { code: "vm-exists" });
  store.delete(first);
  assert.ok(store.insert(web).id > first.id);
});

Deno.test("VmStore knows which artifacts are in use", () => {
  const store = new VmStore(openDatabase(":memory:"));
  const vm = store.insert(web);
  assert.equal(store.usesArtifact("sha256:aa"), true);
  assert.equal(store.usesArtifact("sha256:bb"), false);
  store.delete(vm);
  assert.equal(store.usesArtifact("sha256:aa"), false);
});

Deno.test("openDatabase() refuses a schema from the future", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const database = openDatabase(`${folder}/volant.db`);
    database.exec("PRAGMA user_version = 99");
    database.close();
    assert.throws(() => openDatabase(`${folder}/volant.db`), {
      code: "not-supported",
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("VmStore tells who publishes which ports, and nothing of the others", () => {
  const store = new VmStore(openDatabase(":memory:"));
  store.insert(web);
  const publish = [
    { host_ip: "127.0.0.1", host_port: 8080, port: 80, protocol: "tcp" },
  ] as const;
  store.insert({ ...web, name: "page", lease: { ...web.lease, publish } });
  assert.deepEqual(store.publishers(), [{ name: "page", lease: { publish } }]);
});
