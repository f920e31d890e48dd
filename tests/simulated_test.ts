/**
 * The simulated VMM: that each thing it can be told to do is done, and that the
 * daemon says of it what is true. Everything but VMM and guest is real.
 */

import assert from "node:assert/strict";
import {
  createWords,
  simulatedManifest,
  startSimulated,
  tell,
} from "./harness/simulated.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

async function logs(volant: TmpVolant, name: string): Promise<string> {
  return await volant.run("vm", "logs", name);
}

async function untilLogged(
  volant: TmpVolant,
  name: string,
  line: string,
): Promise<void> {
  await until(`${name} prints "${line}"`, async () => {
    return (await logs(volant, name)).split("\n").includes(line);
  });
}

async function consoleLog(volant: TmpVolant, name: string): Promise<string> {
  return await volant.run("vm", "logs", "--source", "console", name);
}

Deno.test("who asks for the simulated hypervisor is told that no guest is real", async () => {
  await using volant = await startSimulated();
  const info = await volant.json("system", "info");
  assert.equal(info.hypervisor.name, "simulated");
  assert.equal(info.hypervisor.accelerator, "none");
  assert.match(
    await volant.run("system", "info"),
    /no VM is real, or isolated/,
  );
  const log = await Deno.readTextFile(`${volant.folder}/daemon.log`);
  assert.match(log, /"level":"WARN","message":"No guest is real/);
});

Deno.test("a simulated guest prints, answers and takes commands on its console", async (t) => {
  await using volant = await startSimulated();
  const manifest = await simulatedManifest(volant);
  await volant.run(
    ...createWords("v", manifest, "print one; fly; count 3; print four"),
  );

  await t.step("what it begins with is carried out in its order", async () => {
    await untilLogged(volant, "v", "four");
    assert.deepEqual((await logs(volant, "v")).trim().split("\n"), [
      "simulated v",
      "kept 0",
      "one",
      'cannot do "fly": there is no such command',
      ...["1", "2", "3"],
      "four",
    ]);
    const console = await consoleLog(volant, "v");
    assert.match(console, /^simulated: nothing runs here .* of v$/m);
  });

  await t.step(
    "what is typed is carried out, and seen by who looks",
    async () => {
      await tell(volant, "v", "print typed");
      await untilLogged(volant, "v", "typed");
      await tell(volant, "v", "console a word of the kernel");
      await until("the console has it", async () => {
        return (await consoleLog(volant, "v")).includes(
          "\na word of the kernel\n",
        );
      });
      assert.match(await consoleLog(volant, "v"), /^print typed\r$/m);
    },
  );

  await t.step("a signal reaches its workload", async () => {
    const { id } = await volant.json("vm", "get", "v");
    using monitor = await Deno.connect({
      transport: "unix",
      path: `${volant.runtimeDir}/vms/${id}/monitor.sock`,
    });
    await monitor.write(new TextEncoder().encode("signal 10\n"));
    await untilLogged(volant, "v", "signal 10");
  });

  await t.step("every line of many arrives, once and in order", async () => {
    await tell(volant, "v", "count 20000");
    await tell(volant, "v", "print over");
    await untilLogged(volant, "v", "over");
    const lines = (await logs(volant, "v")).split("\n");
    const counted = lines.slice(lines.lastIndexOf("1"), lines.indexOf("over"));
    assert.deepEqual(
      counted,
      Array.from({ length: 20_000 }, (_, index) => String(index + 1)),
    );
  });

  await t.step("the next daemon finds it as it was", async () => {
    const { pid } = await volant.json("vm", "get", "v");
    await volant.crashDaemon();
    await tell(volant, "v", "print still here");
    await untilLogged(volant, "v", "still here");
    assert.equal((await volant.json("vm", "get", "v")).pid, pid);
  });

  await t.step("it stops when it is asked to", async () => {
    await volant.run("vm", "stop", "v");
    const { status, exit } = await volant.json("vm", "get", "v");
    assert.equal(status, "stopped");
    assert.equal(exit.cause, "stopped");
    assert.equal(exit.status, 0);
    assert.equal(exit.forced, false);
  });
});

interface Ending {
  readonly commands: string;
  readonly status: "stopped" | "crashed";
  readonly cause: string;
  /** Of the workload. */
  readonly exitStatus?: number;
  readonly forced?: boolean;
  readonly detail?: RegExp;
}

const ENDINGS: readonly Ending[] = [
  { commands: "exit 0", status: "stopped", cause: "exited", exitStatus: 0 },
  {
    commands: "sleep 100; exit 3",
    status: "crashed",
    cause: "exited",
    exitStatus: 3,
  },
  {
    commands: "panic",
    status: "crashed",
    cause: "guest-panic",
    detail: /^Kernel panic - not syncing: as it was told to$/,
  },
  {
    commands: "panic Out of memory: compulsory panic_on_oom is enabled",
    status: "crashed",
    cause: "guest-oom",
    detail: /panic_on_oom/,
  },
  {
    commands: "oom",
    status: "crashed",
    cause: "guest-oom",
    exitStatus: 137,
    detail: /ran out of memory/,
  },
  {
    commands: "fault cannot mount /dev/vdb: errno 22",
    status: "crashed",
    cause: "guest-fault",
    detail: /^cannot mount \/dev\/vdb: errno 22$/,
  },
  { commands: "poweroff", status: "stopped", cause: "stopped", exitStatus: 0 },
  {
    commands: "crash",
    status: "crashed",
    cause: "vmm-crashed",
    detail: /signal 11/,
  },
  {
    commands: "crash 9",
    status: "crashed",
    cause: "vmm-crashed",
    detail: /signal 9/,
  },
  {
    commands: "fail 7",
    status: "crashed",
    cause: "vmm-failed",
    detail: /status 7: simulated: it ends as it was told to/,
  },
  { commands: "fail 0", status: "crashed", cause: "guest-reset" },
  { commands: "half line", status: "crashed", cause: "vmm-crashed" },
  { commands: "half console", status: "crashed", cause: "vmm-crashed" },
  { commands: "half control", status: "crashed", cause: "vmm-crashed" },
  {
    commands: "lie state; crash 6",
    status: "crashed",
    cause: "vmm-crashed",
    exitStatus: 0,
  },
  {
    commands: "lie off",
    status: "stopped",
    cause: "exited",
    forced: true,
  },
  {
    commands: "hang off; exit 4",
    status: "crashed",
    cause: "exited",
    exitStatus: 4,
    forced: true,
  },
];

Deno.test("each way a machine can end is called by its name", async (t) => {
  await using volant = await startSimulated();
  const manifest = await simulatedManifest(volant);
  // Two of them take the monitor's whole patience: all run at the same time.
  const names = await Promise.all(ENDINGS.map(async ({ commands }, index) => {
    const name = `v${index}`;
    const words = createWords(name, manifest, commands);
    // What dies at once was started, or never: its record is to stay.
    await volant.run(...words, "--no-start");
    await volant.volant("vm", "start", name);
    return name;
  }));
  for (const [index, ending] of ENDINGS.entries()) {
    await t.step(ending.commands, async () => {
      const name = names[index] ?? "";
      await volant.volant("vm", "wait", name);
      const { status, exit } = await volant.json("vm", "get", name);
      assert.equal(exit.cause, ending.cause);
      assert.equal(status, ending.status);
      assert.equal(exit.status, ending.exitStatus);
      assert.equal(exit.forced, ending.forced ?? false);
      if (ending.detail !== undefined) assert.match(exit.detail, ending.detail);
    });
  }
});

Deno.test("what a machine leaves half done does not stand in the way of its next start", async (t) => {
  await using volant = await startSimulated();
  const manifest = await simulatedManifest(volant, { withDisk: true });
  await volant.run(...createWords("v", manifest, "print up"));
  for (const half of ["line", "console", "control", "disk"]) {
    await t.step(half, async () => {
      await untilLogged(volant, "v", "up");
      await tell(volant, "v", `half ${half}`);
      await volant.volant("vm", "wait", "v");
      const { exit } = await volant.json("vm", "get", "v");
      assert.equal(exit.cause, "vmm-crashed");
      await volant.run("vm", "start", "v");
      await tell(volant, "v", `print after ${half}`);
      await untilLogged(volant, "v", `after ${half}`);
    });
  }
  await volant.run("vm", "stop", "v");
  assert.equal((await volant.json("vm", "get", "v")).exit.cause, "stopped");
});

Deno.test("what a machine wrote to its disk is kept, however it ends", async (t) => {
  await using volant = await startSimulated();
  const manifest = await simulatedManifest(volant, { withDisk: true });
  await volant.run(...createWords("v", manifest, "print up"));
  let number = 0;
  const put = async () => {
    number++;
    await tell(volant, "v", `put ${number}`);
    await untilLogged(volant, "v", `put ${number}`);
  };
  const keeps = async () => {
    await untilLogged(volant, "v", `kept ${number}`);
  };
  await untilLogged(volant, "v", "kept 0");

  await t.step("a restart", async () => {
    await put();
    await volant.run("vm", "restart", "v");
    await keeps();
  });
  await t.step("a kill", async () => {
    await put();
    await volant.run("vm", "stop", "--kill", "v");
    await volant.run("vm", "start", "v");
    await keeps();
  });
  await t.step("a write that was broken off half-way", async () => {
    await put();
    await tell(volant, "v", "half disk");
    await volant.volant("vm", "wait", "v");
    await volant.run("vm", "start", "v");
    await keeps();
    await put();
  });
  await t.step("the end of its monitor", async () => {
    await put();
    const { id } = await volant.json("vm", "get", "v");
    const state = await Deno.readTextFile(
      `${volant.runtimeDir}/vms/${id}/monitor.state`,
    );
    const [, pid] = /^monitor_pid=(\d+)$/m.exec(state) ?? [];
    Deno.kill(Number(pid), "SIGKILL");
    await volant.volant("vm", "wait", "v");
    assert.equal(
      (await volant.json("vm", "get", "v")).exit.cause,
      "monitor-lost",
    );
    await volant.run("vm", "start", "v");
    await keeps();
  });
  await t.step("a guest without a disk of its own says so", async () => {
    const plain = await simulatedManifest(volant, { name: "plain" });
    await volant.run(...createWords("w", plain, "put 1"));
    await untilLogged(
      volant,
      "w",
      'cannot do "put 1": it has no writable disk',
    );
  });
});

Deno.test("a guest that lies harms neither daemon nor monitor", async (t) => {
  await using volant = await startSimulated();
  const manifest = await simulatedManifest(volant);
  const lies = ["garbage", "state", "numbers", "line", "flood", "panic"];
  await Promise.all(
    lies.map((lie) => volant.run(...createWords(lie, manifest, `lie ${lie}`))),
  );
  for (const lie of lies) {
    await t.step(lie, async () => {
      await tell(volant, lie, "print well");
      await untilLogged(volant, lie, "well");
      const before = await volant.json("vm", "get", lie);
      assert.equal(before.status, "running");
      await volant.run("vm", "stop", lie);
      const { status, exit } = await volant.json("vm", "get", lie);
      assert.equal(status, "stopped");
      assert.equal(exit.cause, "stopped");
      assert.equal(exit.forced, false);
    });
  }
});

Deno.test("a machine that is slow, deaf or stubborn ends all the same", async (t) => {
  await using volant = await startSimulated();
  const manifest = await simulatedManifest(volant);
  const ended = async (name: string, grace: string) => {
    await volant.run("vm", "stop", "--grace", grace, name);
    return (await volant.json("vm", "get", name)).exit;
  };

  await t.step("a slow boot is a boot", async () => {
    const words = createWords("late", manifest, "delay boot 700");
    await volant.run(...words, "--wait", "none");
    const { status } = await volant.json("vm", "get", "late");
    assert.equal(status, "starting");
    await volant.run("vm", "wait", "--for", "running", "late");
    const { boot } = await volant.json("vm", "get", "late");
    assert.ok(boot.kernel_ms - boot.vmm_ms >= 600, JSON.stringify(boot));
  });

  await t.step("one that takes its time to stop gets it", async () => {
    await volant.run(...createWords("slow", manifest, "delay stop 500"));
    const exit = await ended("slow", "30s");
    assert.deepEqual([exit.cause, exit.status, exit.forced], [
      ...["stopped", 0, false],
    ]);
  });

  await t.step("one that takes longer than its grace is killed", async () => {
    await volant.run(...createWords("slower", manifest, "delay stop 600000"));
    const exit = await ended("slower", "1s");
    assert.deepEqual([exit.cause, exit.status, exit.forced], [
      ...["stopped", 137, false],
    ]);
  });

  await t.step("one whose VMM hangs is ended by force", async () => {
    await volant.run(...createWords("deaf", manifest, "sleep 1; hang"));
    const exit = await ended("deaf", "1s");
    assert.deepEqual([exit.cause, exit.forced], ["stopped", true]);
  });

  await t.step(
    "one that hangs is killed at once when that is asked",
    async () => {
      await volant.run("vm", "start", "deaf");
      await volant.run("vm", "stop", "--kill", "deaf");
      const { exit } = await volant.json("vm", "get", "deaf");
      assert.equal(exit.cause, "killed");
    },
  );
});

Deno.test("a workload is started again in its guest by the restart policy", async () => {
  await using volant = await startSimulated();
  const manifest = await simulatedManifest(volant);
  await volant.run(
    ...createWords("v", manifest, "sleep 50; exit 1"),
    ...["--restart", "on-failure"],
  );
  const { pid } = await volant.json("vm", "get", "v");
  await until("it was started twice", async () => {
    const log = await logs(volant, "v");
    return [...log.matchAll(/^simulated v$/gm)].length >= 3;
  });
  const vm = await volant.json("vm", "get", "v");
  assert.equal(vm.pid, pid);
  assert.ok(vm.restarts >= 2);
  assert.equal(vm.status, "running");
  await volant.run("vm", "stop", "v");
  assert.equal((await volant.json("vm", "get", "v")).exit.cause, "stopped");
});

Deno.test("a VM is said to be of the hypervisor that started it last", async () => {
  await using volant = await startSimulated();
  const manifest = await simulatedManifest(volant);
  await volant.run(...createWords("v", manifest, ""));
  const hypervisor = async () =>
    (await volant.json("vm", "get", "v")).hypervisor;

  await volant.endDaemon("SIGTERM");
  await volant.startDaemon({ VOLANT_HYPERVISOR: "qemu" });
  assert.equal(await hypervisor(), "simulated");
  // A guest it is not, for QEMU; but it is QEMU's now, until that ends.
  await volant.volant("vm", "restart", "--wait", "none", "v");
  assert.equal(await hypervisor(), "qemu");

  await volant.endDaemon("SIGTERM");
  await volant.startDaemon();
  await volant.run("vm", "restart", "--kill", "v");
  assert.equal(await hypervisor(), "simulated");
});
