import assert from "node:assert/strict";
import type { BootSpec } from "../hypervisor.ts";
import { simulatedCommand } from "./command.ts";

const spec: BootSpec = {
  name: "web",
  runDir: "/run/volant/vms/1",
  logDir: "/var/lib/volant/vms/1/logs",
  kernelPath: "/k/vmlinux",
  kernelArgs: ["volant.config=/dev/vda", "volant.plugin=web"],
  vcpus: 1,
  memoryMib: 64,
  disks: [
    { path: "/run/volant/vms/1/boot.conf", format: "raw", readOnly: true },
    { path: "/a/root", format: "raw", readOnly: true },
    { path: "/s/state.ext4", format: "raw", readOnly: false },
  ],
  hasShim: true,
  graceMs: 10_000,
};

Deno.test("simulatedCommand() hands on streams, kernel, disks and command line", () => {
  assert.deepEqual(simulatedCommand("/a/simulated", spec), [
    "/a/simulated",
    "name=web",
    "console=10",
    "output=12",
    "control=11",
    "kernel=/k/vmlinux",
    "disk=ro:/run/volant/vms/1/boot.conf",
    "disk=ro:/a/root",
    "disk=rw:/s/state.ext4",
    "cmdline=simulated volant.config=/dev/vda volant.plugin=web",
  ]);
});

Deno.test("simulatedCommand() names what only some guests have", () => {
  const words = simulatedCommand("/a/simulated", {
    ...spec,
    initramfsPath: "/a/initramfs",
    hasShim: false,
    nic: { kind: "tap", mac: "02:00:00:00:00:01", tapName: "vt1" },
  });
  assert.ok(words.includes("initramfs=/a/initramfs"));
  assert.ok(words.includes("nic=13"));
  assert.ok(!words.some((word) => word.startsWith("control=")));
});
