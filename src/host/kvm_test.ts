import assert from "node:assert/strict";
import { groupName, type KvmProbeOptions, probeKvm, recall } from "./kvm.ts";

const HOUR_MS = 60 * 60 * 1_000;

/** Folder with a stand-in for QEMU that does what `script` says. */
async function host(script: string): Promise<
  { readonly options: KvmProbeOptions; readonly folder: string } & Disposable
> {
  const folder = await Deno.makeTempDir();
  const file = (name: string) => `${folder}/${name}`;
  await Deno.writeTextFile(file("qemu"), `#!/bin/sh\n${script}\n`);
  await Deno.chmod(file("qemu"), 0o755);
  await Deno.writeTextFile(file("kernel"), "a kernel");
  await Deno.writeTextFile(file("kvm"), "");
  return {
    folder,
    options: {
      qemuPath: file("qemu"),
      kernelPath: file("kernel"),
      cachePath: file("cache.json"),
      devicePath: file("kvm"),
    },
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

Deno.test("probeKvm() works when the kernel speaks, however the guest ends", async () => {
  using fake = await host('echo "[0.0] Linux version 6.1"; exit 1');
  const probe = await probeKvm(fake.options);
  assert.deepEqual(probe, { works: true, reason: "a probe guest booted" });
});

Deno.test("probeKvm() asks QEMU for KVM, our kernel, and no reboot", async () => {
  using fake = await host('echo "$@" > "${0%/*}/words"');
  await probeKvm(fake.options);
  const words = await Deno.readTextFile(`${fake.folder}/words`);
  assert.match(
    words,
    /-accel kvm .*-no-reboot -kernel .*\/kernel -append .*panic=-1/,
  );
});

Deno.test("probeKvm() gives QEMU's last words when it fails", async () => {
  using fake = await host('echo "first" >&2; echo "no KVM here" >&2; exit 1');
  const { works, reason } = await probeKvm(fake.options);
  assert.equal(works, false);
  assert.equal(reason, "QEMU could not run a probe guest: no KVM here");
});

Deno.test("probeKvm() tells a guest that ends silently", async () => {
  using fake = await host("exit 0");
  const { works, reason } = await probeKvm(fake.options);
  assert.deepEqual([works, reason], [
    false,
    "a probe guest ended before its kernel spoke",
  ]);
});

Deno.test("probeKvm() boots one guest per boot, kernel and QEMU", async () => {
  using fake = await host('echo x >> "${0%/*}/runs"; echo "Linux version"');
  const runs = async () =>
    (await Deno.readTextFile(`${fake.folder}/runs`)).length / 2;
  await probeKvm(fake.options);
  await probeKvm(fake.options);
  assert.equal(await runs(), 1);
  await Deno.writeTextFile(fake.options.kernelPath, "another kernel");
  await probeKvm(fake.options);
  assert.equal(await runs(), 2);
});

Deno.test("probeKvm() runs nothing without the device", async () => {
  using fake = await host('touch "${0%/*}/ran"');
  const devicePath = `${fake.folder}/absent`;
  const { works, reason } = await probeKvm({ ...fake.options, devicePath });
  assert.deepEqual([works, reason], [false, `${devicePath} does not exist`]);
  await assert.rejects(Deno.stat(`${fake.folder}/ran`), Deno.errors.NotFound);
});

Deno.test("recall() keeps a success, and a failure for an hour", () => {
  const text = (works: boolean) =>
    JSON.stringify({ key: "k", at_ms: 0, works, reason: "r" });
  assert.deepEqual(recall(text(true), "k", 9 * HOUR_MS), {
    works: true,
    reason: "r",
  });
  assert.equal(recall(text(false), "k", HOUR_MS - 1)?.works, false);
  assert.equal(recall(text(false), "k", HOUR_MS), undefined);
  assert.equal(recall(text(false), "k", -1), undefined);
});

Deno.test("recall() takes nothing from another key or a broken file", () => {
  const text = JSON.stringify({ key: "k", at_ms: 0, works: true, reason: "" });
  for (const broken of [undefined, "", "{", "null", text.slice(0, 9)]) {
    assert.equal(recall(broken, "k", 1), undefined);
  }
  assert.equal(recall(text, "other", 1), undefined);
});

Deno.test("groupName() finds the group, or says its number", () => {
  const groups = "root:x:0:\nkvm:x:107:alice\n";
  assert.equal(groupName(groups, 107), "kvm");
  assert.equal(groupName(groups, 108), "108");
});
