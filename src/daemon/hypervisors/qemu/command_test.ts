import assert from "node:assert/strict";
import type { BootSpec } from "../hypervisor.ts";
import { qemuCommand, qemuCommandLine, type QemuHost } from "./command.ts";
import { MACHINE_MODELS } from "./machine_models.ts";

const host: QemuHost = {
  path: "/usr/bin/qemu-system-x86_64",
  accelerator: "tcg",
  model: MACHINE_MODELS.microvm,
  tscKhz: 2_300_000,
};

const spec: BootSpec = {
  name: "web",
  runDir: "/run/volant/vms/1",
  logDir: "/var/lib/volant/vms/1/logs",
  kernelPath: "/k/vmlinux",
  kernelArgs: ["volant.config=/dev/vda"],
  initramfsPath: "/a/init,ramfs",
  vcpus: 2,
  memoryMib: 64,
  disks: [{ path: "/run/a,b/boot.conf", format: "raw", readOnly: true }],
  hasShim: true,
  graceMs: 10_000,
};

function after(words: readonly string[], option: string): string[] {
  return words.flatMap((word, index) =>
    word === option ? [words[index + 1] ?? ""] : []
  );
}

Deno.test("qemuCommand() gives each stream a UART on its own descriptor", () => {
  const words = qemuCommand(host, spec);
  assert.deepEqual(after(words, "-chardev"), [
    "socket,id=console,fd=10",
    "socket,id=control,fd=11",
    "socket,id=output,fd=12",
  ]);
});

Deno.test("qemuCommand() keeps commas in paths from ending an option", () => {
  const words = qemuCommand(host, spec);
  assert.deepEqual(after(words, "-drive"), [
    "if=none,id=disk0,format=raw,readonly=on,file=/run/a,,b/boot.conf",
  ]);
  // -initrd takes a file name, not an option list.
  assert.deepEqual(after(words, "-initrd"), ["/a/init,ramfs"]);
});

Deno.test("qemuCommand() passes on the rate of the time stamp counter only without KVM", () => {
  const [tcg] = after(qemuCommand(host, spec), "-append");
  assert.match(tcg ?? "", /tsc_early_khz=2300000/);
  const [kvm] = after(
    qemuCommand({ ...host, accelerator: "kvm" }, spec),
    "-append",
  );
  assert.doesNotMatch(kvm ?? "", /tsc/);
  assert.match(kvm ?? "", /volant\.config=\/dev\/vda$/);
});

Deno.test("qemuCommand() has no control port for a guest without the shim", () => {
  const words = qemuCommand(host, { ...spec, hasShim: false });
  assert.deepEqual(
    after(words, "-device").filter((device) => device.startsWith("isa")),
    ["isa-serial,chardev=console,index=0", "isa-serial,chardev=output,index=2"],
  );
});

Deno.test("qemuCommand() joins the NIC with its companion's descriptor", () => {
  const nic = {
    kind: "stream" as const,
    mac: "02:00:00:00:00:01",
    companion: () => [],
  };
  const words = qemuCommand(host, { ...spec, nic });
  assert.deepEqual(after(words, "-netdev"), [
    "stream,id=net0,addr.type=fd,addr.str=13",
  ]);
});

Deno.test("qemuCommand() puts the devices on the bus of the machine model", () => {
  const nic = {
    kind: "tap" as const,
    mac: "02:00:00:00:00:01",
    tapName: "vbr0-1",
  };
  const virtio = (machine: keyof typeof MACHINE_MODELS) => {
    const model = MACHINE_MODELS[machine];
    const words = qemuCommand({ ...host, model }, { ...spec, nic });
    return after(words, "-device").filter((word) => word.startsWith("virtio"));
  };
  assert.deepEqual(virtio("microvm"), [
    "virtio-blk-device,drive=disk0",
    "virtio-net-device,netdev=net0,mac=02:00:00:00:00:01",
  ]);
  assert.deepEqual(virtio("q35"), [
    "virtio-blk-pci-non-transitional,drive=disk0",
    "virtio-net-pci-non-transitional,netdev=net0,mac=02:00:00:00:00:01,romfile=",
  ]);
});

Deno.test("a guest with ACPI keeps its timers, looks for it, and powers off by it", () => {
  const model = MACHINE_MODELS.q35;
  // Sleeps in a guest with ACPI and without this timer never end.
  assert.doesNotMatch(qemuCommandLine({ ...host, model }, spec), /nolapic/);
  assert.doesNotMatch(qemuCommandLine({ ...host, model }, spec), /acpi=off/);
  assert.equal(model.ports.off, "poweroff");
  assert.match(qemuCommandLine(host, spec), /acpi=off/);
  assert.equal(MACHINE_MODELS.microvm.ports.off, "reset");
});
