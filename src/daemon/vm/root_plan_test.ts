import assert from "node:assert/strict";
import type { Manifest } from "../../manifest/manifest.ts";
import { checkManifest } from "../../manifest/parse.ts";
import {
  checkEphemeral,
  rootDevice,
  rootKernelWords,
  rootPlan,
} from "./root_plan.ts";

const DEVICES = { root: "/dev/vdb", state: "/dev/vdc" };

function manifest(
  format: string,
  more: Readonly<Record<string, unknown>> = {},
): Manifest {
  return checkManifest({
    name: "web",
    version: "1",
    rootfs: { url: "/images/web", format },
    workload: { entrypoint: ["/bin/web"] },
    ...more,
  }, "manifest");
}

Deno.test("rootPlan() gives a read-only root a state disk", () => {
  const plan = rootPlan({ manifest: manifest("erofs") }, "erofs");
  assert.deepEqual(plan, {
    fs: "erofs",
    format: "raw",
    shared: true,
    stateDisk: true,
  });
  assert.deepEqual(rootDevice(plan, DEVICES), {
    device: "/dev/vdb",
    fs: "erofs",
    mode: "overlay",
    state: "/dev/vdc",
  });
});

Deno.test("rootPlan() copies a root that is written in place", () => {
  const plan = rootPlan({ manifest: manifest("qcow2") }, "xfs");
  assert.deepEqual(plan, {
    fs: "xfs",
    format: "qcow2",
    shared: false,
    stateDisk: false,
  });
  assert.equal(rootDevice(plan, DEVICES).mode, "rw");
});

Deno.test("rootPlan() makes nothing for an ephemeral guest, whoever asks for it", () => {
  const asked = manifest("ext4", { ephemeral: true });
  for (
    const config of [
      { manifest: asked },
      { manifest: manifest("ext4"), ephemeral: true },
    ]
  ) {
    const plan = rootPlan(config, "ext4");
    assert.equal(plan?.shared, true);
    assert.equal(plan?.stateDisk, false);
  }
  const kept = rootPlan({ manifest: asked, ephemeral: false }, "ext4");
  assert.equal(kept?.shared, false, "the VM's own wish goes first");
});

Deno.test("a guest with an init of its own sees its disk as it is", () => {
  const own = manifest("ext4", { init: { path: "/sbin/init" } });
  const plan = rootPlan({ manifest: own }, "ext4");
  assert.ok(plan);
  assert.equal(plan.shared, false);
  assert.deepEqual(rootKernelWords(own, plan, "/dev/vda"), [
    "root=/dev/vda",
    "rootfstype=ext4",
    "rw",
    "rdinit=/none",
    "init=/sbin/init",
  ]);
});

Deno.test("checkEphemeral() refuses to forget what a guest without the shim writes in place", () => {
  const own = { init: { path: "/sbin/init" } };
  const asked = { ...own, ephemeral: true };
  for (
    const config of [
      { manifest: manifest("ext4", asked) },
      { manifest: manifest("ext4", own), ephemeral: true },
    ]
  ) {
    assert.throws(() => checkEphemeral(config, "ext4"), {
      code: "not-supported",
      message: /ephemeral.* init .*ext4/,
    });
  }
  checkEphemeral({ manifest: manifest("erofs", asked) }, "erofs");
  checkEphemeral({ manifest: manifest("ext4", own) }, "ext4");
  checkEphemeral({ manifest: manifest("ext4", { ephemeral: true }) }, "ext4");
  checkEphemeral(
    { manifest: manifest("ext4", asked), ephemeral: false },
    "ext4",
  );
});
