/**
 * The monitor with real guests under QEMU: what the kernel, the shim and the VMM really say when a machine ends, and that
 * each end gets its right name. Pretended ends, with every detail, are in `monitor_test.ts`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { alive, type Monitor, type State, until } from "./harness/monitor.ts";
import { bootGuest, type GuestOptions } from "./harness/monitor_guest.ts";

/** What a machine's log of workload output says, without stamps. */
async function said(monitor: Monitor): Promise<readonly string[]> {
  const log = await monitor.log("output.log");
  return log.split("\n").filter((line) => line !== "").map((line) =>
    line.replace(/^\S+ stdout [FP] /, "")
  );
}

/** Boots, waits for the end, and returns what is known about it. */
async function ends(options: GuestOptions): Promise<State> {
  await using monitor = await bootGuest(options);
  const state = await monitor.ended();
  return { ...state, console: await monitor.log("console.log") };
}

function has(state: State, expected: State): void {
  const told = Object.fromEntries(
    Object.keys(expected).map((key) => [key, state[key]]),
  );
  assert.deepEqual(told, expected, JSON.stringify(state));
}

Deno.test("a guest boots, is talked to, and stops when told to", async () => {
  await using monitor = await bootGuest({
    script: `trap 'echo usr1' USR1; trap 'echo bye; exit 7' TERM
      echo ready; read word </dev/console; echo "got $word"
      while :; do /bin/busybox sleep 1000 & wait; done`,
  });
  const state = await monitor.reaches("guest", "started");
  for (
    const [before, after] of [["spawned_ns", "kernel_ns"], [
      "kernel_ns",
      "workload_ns",
    ]] as const
  ) {
    assert.ok(
      Number(state[before]) < Number(state[after]),
      JSON.stringify(state),
    );
  }
  assert.ok(Number(state["guest_pid"]) > 1);
  assert.match(state["vmm_exe"] ?? "", /\/qemu-system-x86_64$/);
  const hears = (word: string) =>
    until(
      word,
      async () => (await said(monitor)).includes(word) ? true : undefined,
    );
  await hears("ready");
  using viewer = await monitor.connect("console");
  await viewer.write("hello\n");
  await hears("got hello");
  assert.equal(await monitor.ask("signal 10"), "ok\n");
  await hears("usr1");
  assert.equal(await monitor.ask("stop 20000"), "ok\n");
  has(await monitor.ended(), {
    cause: "stopped",
    stop: "stop",
    guest: "off",
    vmm_status: "0",
    workload_status: "7",
  });
  assert.deepEqual(await said(monitor), ["ready", "got hello", "usr1", "bye"]);
});

Deno.test("real guests' ends are told apart", async (test) => {
  const eat = "/bin/busybox tail /dev/zero";
  const ended: Readonly<
    Record<string, readonly [GuestOptions, State, RegExp]>
  > = {
    "a workload that fails": [
      { script: "echo no; exit 3" },
      { cause: "exited", workload_status: "3", guest: "off", vmm_status: "0" },
      /^the workload ended with status 3$/,
    ],
    "a workload that eats the memory": [
      { script: `exec ${eat}` },
      { cause: "guest-oom", workload_status: "137", guest: "off" },
      /ran out of memory/,
    ],
    "a kernel that panics for want of memory": [
      { script: `echo 2 >/proc/sys/vm/panic_on_oom; exec ${eat}` },
      { cause: "guest-oom", guest: "started", vmm_status: "0" },
      /^Kernel panic - not syncing: Out of memory/,
    ],
    "a kernel that panics": [
      { init: false },
      { cause: "guest-panic", guest: "unknown", vmm_status: "0" },
      /^Kernel panic - not syncing: /,
    ],
    "a step of the boot that fails": [
      { config: { root: { device: "/dev/nowhere", fs: "ext4", mode: "rw" } } },
      { cause: "guest-fault", guest: "off", vmm_status: "0" },
      /\/dev\/nowhere/,
    ],
    "a shim that cannot trust its configuration": [
      { spoiled: true },
      { cause: "guest-fault", guest: "unknown", vmm_status: "0" },
      /^cannot .*boot config/,
    ],
    "a VMM that refuses its arguments": [
      { more: ["-device", "no-such-device"] },
      { cause: "vmm-failed", vmm_status: "1", guest: "unknown" },
      /^the VMM ended with status 1: .*no-such-device/,
    ],
    "a guest that never booted and is stopped": [
      { more: ["-S"], records: ["grace_ms=1"] },
      { cause: "stopped", guest: "unknown", forced: "1" },
      /^the guest did not end in time/,
    ],
  };
  for (const [name, [options, expected, detail]] of Object.entries(ended)) {
    await test.step(name, async () => {
      if (options.more?.[0] !== "-S") {
        const state = await ends(options);
        has(state, expected);
        assert.match(state["detail"] ?? "", detail);
        return;
      }
      await using monitor = await bootGuest(options);
      Deno.kill(await monitor.number("monitor_pid"), "SIGTERM");
      const state = await monitor.ended();
      has(state, expected);
      assert.match(state["detail"] ?? "", detail);
    });
  }
});

Deno.test("kill -9 of QEMU is a crash, kill -9 of the monitor leaves no QEMU", async () => {
  await using crashing = await bootGuest({});
  await using orphaned = await bootGuest({});
  await Promise.all(
    [crashing, orphaned].map((monitor) => monitor.reaches("guest", "started")),
  );
  Deno.kill(await crashing.number("vmm_pid"), "SIGKILL");
  has(await crashing.ended(), {
    cause: "vmm-crashed",
    vmm_status: "137",
    guest: "started",
  });
  const { monitor_pid, vmm_pid } = await orphaned.state();
  Deno.kill(Number(monitor_pid), "SIGKILL");
  await until("QEMU's end", () => alive(Number(vmm_pid)) ? undefined : true);
});

Deno.test("passt runs beside QEMU, and a port it cannot have ends the machine with its reason", async () => {
  using taken = Deno.listen({
    hostname: "127.0.0.1",
    port: 0,
    transport: "tcp",
  });
  const { port } = taken.addr as Deno.NetAddr;
  const passt = (
    forward: string,
  ) => [
    "/usr/bin/passt",
    "--foreground",
    "--quiet",
    "--no-map-gw",
    "--fd",
    "5",
    ...forward.split(" "),
  ];
  const network = {
    links: ["13 5"],
    more: [
      "-netdev",
      "stream,id=net0,addr.type=fd,addr.str=13",
      "-device",
      "virtio-net-device,netdev=net0",
    ],
  };
  const failed = await ends({
    ...network,
    companion: passt(`-t 127.0.0.1/${port}`),
  });
  has(failed, { cause: "companion-failed" });
  assert.match(
    failed["detail"] ?? "",
    new RegExp(`^the companion ended with status 1: .*${port}`),
  );
  const good = await ends({
    ...network,
    companion: passt("-t none"),
    script: "exit 0",
  });
  has(good, { cause: "exited", workload_status: "0" });
});
