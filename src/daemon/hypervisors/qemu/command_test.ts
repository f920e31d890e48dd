import assert from "node:assert/strict";
import type { BootSpec } from "../hypervisor.ts";
import { qemuCommand, type QemuHost } from "./command.ts";

const host: QemuHost = {
  path: "/usr/bin/qemu-system-x86_64",
  accelerator: "tcg",
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
