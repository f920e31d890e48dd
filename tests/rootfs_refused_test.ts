/**
 * Roots that cannot be one: told when the VM is created, with the reason and the
 * remedy, and nothing is left of it.
 */

import assert from "node:assert/strict";
import {
  type RootFormat,
  rootImage,
  rootManifest,
  run,
} from "./harness/root_image.ts";
import { filesBelow, TmpVolant } from "./harness/tmp_volant.ts";

const BARE = ["--network", "none"];

Deno.test("a root that cannot be one is refused, with the reason and the remedy", async (t) => {
  await using volant = await TmpVolant.start();
  const ext4 = await rootImage(volant, "ext4");
  const backed = `${volant.folder}/backed.qcow2`;
  await run(
    "qemu-img",
    "create",
    "-q",
    "-f",
    "qcow2",
    "-F",
    "raw",
    "-b",
    ext4,
    backed,
  );
  const zstd = `${volant.folder}/zstd.qcow2`;
  const options = ["-c", "-o", "compression_type=zstd"];
  await run("qemu-img", "convert", "-O", "qcow2", ...options, ext4, zstd);
  const partitioned = `${volant.folder}/disk.img`;
  const table = new Uint8Array(4096);
  table.set([0x55, 0xaa], 510);
  await Deno.writeFile(partitioned, table);
  const refusals: readonly (readonly [string, string, RootFormat, RegExp])[] = [
    [
      "another format",
      ext4,
      "erofs",
      /it is ext4, not erofs[^]*rootfs\.format/,
    ],
    [
      "a partition table",
      partitioned,
      "raw",
      /it has a partition table[^]*Copy the partition/,
    ],
    ["nothing at all", "/bin/busybox", "raw", /holds no file system/],
    [
      "a qcow2 that leads elsewhere",
      backed,
      "qcow2",
      /refers to another file of the host/,
    ],
    ["no qcow2", ext4, "qcow2", /it is no qcow2/],
    [
      "a qcow2 of a newer kind",
      zstd,
      "qcow2",
      /incompatible features 0x8[^]*qemu-img convert/,
    ],
  ];
  for (const [what, image, format, wanted] of refusals) {
    await t.step(what, async () => {
      const manifest = await rootManifest(volant, {
        name: "bad",
        image,
        format,
        script: "",
      });
      const { status, stderr } = await volant.volant(
        ...["vm", "create", "bad", "--manifest", manifest, ...BARE],
      );
      assert.notEqual(status, 0);
      assert.match(stderr, wanted);
      assert.deepEqual(await volant.json("vm", "list"), []);
      assert.deepEqual(filesBelow(`${volant.stateDir}/artifacts`), []);
    });
  }
});

Deno.test("what is written in place cannot be asked to be forgotten", async () => {
  await using volant = await TmpVolant.start();
  const manifest = await rootManifest(volant, {
    name: "own",
    image: await rootImage(volant, "ext4"),
    format: "ext4",
    script: "",
    manifest: { init: { path: "/bin/sh" }, workload: undefined },
  });
  const { status, stderr } = await volant.volant(
    ...["vm", "create", "own", "--manifest", manifest, "--ephemeral", ...BARE],
  );
  assert.notEqual(status, 0);
  assert.match(stderr, /ephemeral[^]*init[^]*Take ephemeral or init out/);
  assert.deepEqual(await volant.json("vm", "list"), []);
});
