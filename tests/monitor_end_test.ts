/**
 * What the monitor calls each end of a machine, from outside, with VMMs that say and do what real ones rarely do; and that
 * nothing outlives a machine.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  alive,
  Monitor,
  type MonitorOptions,
  type State,
  until,
} from "./harness/monitor.ts";

const BOOTED =
  "say:10:volant 1\\nstate booting\\nstate started pid=7 restarts=0\\n";
const HANG = "hang::";

interface Ending {
  readonly name: string;
  readonly steps: readonly string[];
  readonly ask?: string;
  readonly options?: Partial<MonitorOptions>;
  readonly expect: State;
  readonly detail?: RegExp;
}

const PANIC = "say:11:[    1.2] Kernel panic - not sync";

const ENDINGS: readonly Ending[] = [
  {
    name: "a guest that stops when told to",
    steps: [
      BOOTED,
      "await:10:stop 9000\\n",
      "say:10:state stopping\\nstate exited status=143\\noff stop\\n",
    ],
    ask: "stop 9000",
    expect: {
      cause: "stopped",
      stop: "stop",
      guest: "off",
      workload_status: "143",
      vmm_status: "0",
    },
  },
  {
    name: "a power button pressed by another",
    steps: [BOOTED, "say:10:off button\\n"],
    expect: { cause: "stopped", guest: "off" },
  },
  {
    name: "a guest that hears of a stop only later",
    steps: [
      "await:10:hello 1\\n",
      "pause:200:",
      BOOTED,
      "await:10:stop ",
      "say:10:off stop\\n",
    ],
    ask: "stop 9000",
    expect: { cause: "stopped", guest: "off" },
  },
  {
    name: "a guest that never spoke",
    steps: [HANG],
    ask: "stop 100",
    expect: {
      cause: "stopped",
      forced: "1",
      guest: "unknown",
      vmm_status: "137",
    },
    detail: /^the guest did not end in time/,
  },
  {
    name: "a kill",
    steps: [BOOTED, HANG],
    ask: "kill",
    expect: { cause: "killed", stop: "kill", vmm_status: "137" },
  },
  {
    name: "a workload that ended",
    steps: [BOOTED, "say:10:state exited status=3\\noff exit\\n"],
    expect: { cause: "exited", workload_status: "3", vmm_status: "0" },
    detail: /^the workload ended with status 3$/,
  },
  {
    name: "a workload out of memory",
    steps: [BOOTED, "say:10:state exited status=137 oom=1\\noff exit\\n"],
    expect: { cause: "guest-oom", workload_status: "137" },
  },
  {
    name: "a panic out of memory",
    steps: [
      BOOTED,
      PANIC,
      "pause:50:",
      "say:11:ing: Out of memory: compulsory panic_on_oom is enabled\\r\\n",
    ],
    expect: { cause: "guest-oom" },
    detail:
      /^Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled$/,
  },
  {
    name: "a boot that failed",
    steps: [
      "say:10:state booting\\nfault cannot mount \\e[31m/dev/vdb\\0\\n",
      "say:10:fault cannot \\e[1mmount\\noff fault\\n",
    ],
    expect: { cause: "guest-fault", guest: "off" },
    detail: /^cannot \[1mmount$/,
  },
  {
    name: "a shim that cannot read its configuration",
    steps: [
      "say:11:volant: volant: can",
      "pause:50:",
      "say:11:not use boot config \\e[1m/dev/vda\\r\\nreboot: Restarting\\n",
    ],
    expect: { cause: "guest-fault", guest: "unknown" },
    detail: /^cannot use boot config \[1m\/dev\/vda$/,
  },
  {
    name: "a workload that is not there",
    steps: [
      "say:11:volant: cannot execute /app: errno 2\\r\\n",
      "say:10:state exited status=127\\noff exit\\n",
    ],
    expect: { cause: "exited", workload_status: "127" },
    detail:
      /^the workload ended with status 127: cannot execute \/app: errno 2$/,
  },
  {
    name: "a panic, cut between two reads, the last line without an end",
    steps: [
      BOOTED,
      "say:11:Kernel pKernel panic",
      "pause:50:",
      PANIC,
      "pause:50:",
      "say:11:ing: Attempted to kill init!",
    ],
    expect: { cause: "guest-panic", guest: "started", vmm_status: "0" },
    detail: /^Kernel panic - not syncing: Attempted to kill init!$/,
  },
  {
    name: "a panic that somebody only printed",
    steps: [
      BOOTED,
      `${PANIC}ing: joke\\n`,
      "say:10:state exited status=0\\noff exit\\n",
    ],
    expect: { cause: "exited", workload_status: "0" },
    detail: /^the workload ended with status 0$/,
  },
  {
    name: "a guest that is gone without a word",
    steps: [BOOTED, "say:2:terminating on signal 15\\n"],
    expect: { cause: "guest-reset", vmm_status: "0" },
    detail: /^the guest ended without a last word: terminating on signal 15$/,
  },
  {
    name: "a VMM that failed",
    steps: ["say:2:first line\\nno such device\\n\\n", "exit:2:"],
    expect: { cause: "vmm-failed", vmm_status: "2" },
    detail: /^the VMM ended with status 2: no such device$/,
  },
  {
    name: "a VMM that crashed, after a good stop too",
    steps: [BOOTED, "await:10:stop", "say:10:off stop\\n", "signal:11:"],
    ask: "stop 9000",
    expect: { cause: "vmm-crashed", vmm_status: "139", stop: "stop" },
    detail: /^the VMM was ended by signal 11 \(Segmentation fault\)$/,
  },
  {
    name: "a companion that failed",
    steps: [BOOTED, HANG],
    options: {
      companion: ["/bin/sh", "-c", "echo 'port 80 is taken' >&2; exit 1"],
    },
    expect: { cause: "companion-failed", vmm_status: "137" },
    detail: /^the companion ended with status 1: port 80 is taken$/,
  },
  {
    name: "a companion that was killed",
    steps: [BOOTED, HANG],
    options: { companion: ["/bin/sh", "-c", "kill -9 $$"] },
    expect: { cause: "companion-failed" },
    detail: /^the companion was ended by signal 9 \(Killed\)$/,
  },
  {
    name: "a companion that left because the VMM did",
    steps: [BOOTED, "say:6:leave\\n", "pause:300:", "signal:6:"],
    options: { companion: ["/bin/sh", "-c", "read line <&6"], links: ["6 6"] },
    expect: { cause: "vmm-crashed", vmm_status: "134" },
  },
  {
    name: "a companion that left a moment before a stop was asked for",
    steps: [
      BOOTED,
      "say:6:leave\\n",
      "await:10:stop ",
      "pause:2500:",
      "say:10:state exited status=143\\noff stop\\n",
    ],
    ask: "stop 9000",
    options: { companion: ["/bin/sh", "-c", "read line <&6"], links: ["6 6"] },
    expect: { cause: "stopped", workload_status: "143", vmm_status: "0" },
  },
  {
    name: "a companion that left a moment before the guest's last word",
    steps: [
      BOOTED,
      "say:6:leave\\n",
      "pause:300:",
      "say:10:state exited status=4\\noff exit\\n",
      "pause:2500:",
    ],
    options: { companion: ["/bin/sh", "-c", "read line <&6"], links: ["6 6"] },
    expect: { cause: "exited", workload_status: "4", vmm_status: "0" },
  },
];

Deno.test("monitor tells the ends of machines apart", async (test) => {
  for (const { name, steps, ask, options, expect, detail } of ENDINGS) {
    await test.step(name, async () => {
      await using monitor = await Monitor.steps(steps, options);
      if (ask !== undefined) {
        if (steps[0] === BOOTED) await monitor.reaches("guest", "started");
        assert.equal(await monitor.ask(ask), "ok\n");
      }
      const state = await monitor.ended();
      const told = Object.fromEntries(
        Object.keys(expect).map((key) => [key, state[key]]),
      );
      assert.deepEqual(told, expect, JSON.stringify(state));
      assert.match(state["detail"] ?? "", detail ?? /^/);
      assert.ok(Number(state["ended_ns"]) >= Number(state["spawned_ns"]));
      const left = [...Deno.readDirSync(monitor.runDir)].map((entry) =>
        entry.name
      ).sort();
      assert.deepEqual(left, [
        "console.log",
        "monitor.conf",
        "monitor.state",
        "output.log",
        "vmm.log",
      ]);
    });
  }
});

Deno.test("monitor says vmm-crashed when somebody else kills the VMM", async () => {
  await using monitor = await Monitor.steps([BOOTED, HANG]);
  await monitor.reaches("guest", "started");
  Deno.kill(await monitor.number("vmm_pid"), "SIGKILL");
  const state = await monitor.ended();
  assert.equal(state["cause"], "vmm-crashed");
  assert.equal(state["vmm_status"], "137");
  assert.equal(state["forced"], undefined);
});

Deno.test("SIGTERM to the monitor is a stop with the configured grace", async () => {
  await using monitor = await Monitor.steps([
    BOOTED,
    "await:10:stop 1234\\n",
    "say:10:off stop\\n",
  ], {
    records: ["grace_ms=1234"],
  });
  const { monitor_pid } = await monitor.reaches("guest", "started");
  Deno.kill(Number(monitor_pid), "SIGTERM");
  assert.equal((await monitor.ended())["cause"], "stopped");
});

Deno.test("guests and clients that let one wait are ended by deadlines", async () => {
  await using deaf = await Monitor.steps([BOOTED, HANG]);
  await using undead = await Monitor.steps([
    BOOTED,
    "say:10:state exited status=0\\noff exit\\n",
    HANG,
  ]);
  await deaf.reaches("guest", "started");
  using silent = await deaf.connect("");
  assert.equal(await deaf.ask("stop 3600000"), "ok\n");
  assert.equal(await deaf.ask("stop 6000"), "ok\n");
  const [deafEnd, undeadEnd, answer] = await Promise.all([
    deaf.ended(),
    undead.ended(),
    silent.rest(),
  ]);
  assert.equal(answer, "error no line came within 10 seconds\n");
  assert.equal(deafEnd["cause"], "stopped");
  assert.equal(deafEnd["forced"], "1");
  assert.equal(undeadEnd["cause"], "exited");
  assert.equal(undeadEnd["forced"], "1");
});

Deno.test("nothing the VMM started outlives it", async () => {
  await using monitor = await Monitor.steps([
    "descend:12:",
    "descend:12:",
    BOOTED,
    HANG,
  ], {
    companion: [
      "/bin/sh",
      "-c",
      "trap '' TERM; setsid sleep 1000 & echo pid $!; while :; do sleep 1; done",
    ],
    env: ["PATH=/usr/bin:/bin"],
  });
  await monitor.reaches("guest", "started");
  const pids = await until("three descendants", async () => {
    const text = `${await monitor.log("output.log")}${await monitor.log(
      "vmm.log",
    )}`;
    const found = [...text.matchAll(/(?:descendant|pid) (\d+)$/gm)].map((
      match,
    ) => Number(match[1]));
    return found.length === 3 ? found : undefined;
  });
  assert.equal(await monitor.ask("kill"), "ok\n");
  await monitor.ended();
  assert.deepEqual(pids.filter(alive), []);
});

Deno.test("the last state is told though the run directory's disk is full", async () => {
  // The disk is mounted for the monitor alone, so the script that mounts it waits, and takes what is left out of it.
  const script = `
    mkdir "$1/disk" && mount -t tmpfs -o size=128k none "$1/disk" && cp "$1/monitor.conf" "$1/disk" &&
      "$2" "$1/disk" || exit
    cat /dev/zero >"$1/disk/filler" 2>/dev/null
    touch "$1/full"
    for i in $(seq 200); do [ -e "$1/disk/monitor.sock" ] || break; sleep 0.1; done
    cp "$1/disk/monitor.state" "$1"
    ls "$1/disk" >"$1/left"`;
  await using monitor = await Monitor.start({
    args: [
      "/bin/sh",
      "-c",
      "until [ -e @RUN@/full ]; do sleep 0.1; done; exit 3",
    ],
    env: ["PATH=/usr/bin:/bin"],
    wrapper: ["unshare", "-rm", "sh", "-c", script, "sh", "@RUN@"],
  });
  const state = await monitor.state();
  assert.equal(state["cause"], "vmm-failed", JSON.stringify(state));
  assert.equal(state["vmm_status"], "3");
  assert.equal(state["detail"], "the VMM ended with status 3");
  assert.deepEqual((await monitor.log("left")).trim().split("\n"), [
    "filler",
    "monitor.conf",
    "monitor.state",
  ]);
});

Deno.test("monitor follows what the guest says of itself", async () => {
  await using monitor = await Monitor.steps([
    "await:10:hello 1\\n",
    // The first may have been lost: there is another, as long as nothing was heard.
    "await:10:hello 1\\n",
    "say:10:volant 1\\r\\nstate booting\\r\\n",
    "await:10:signal 10\\n",
    "say:10:state started pid=12 restarts=0\\nstate waiting status=1 restarts=1 delay_ms=1000\\n",
    "say:10:state started pid=99999999 restarts=1\\nstate started pid=-1 restarts=1\\nstate exited status=256\\n",
    "await:10:signal 12\\n",
    "say:10:state started pid=13 restarts=1\\n",
    HANG,
  ]);
  const booting = await monitor.reaches("guest", "booting");
  assert.ok(Number(booting["kernel_ns"]) >= Number(booting["spawned_ns"]));
  assert.equal(booting["workload_ns"], undefined);
  assert.equal(await monitor.ask("signal 10"), "ok\n");
  const waiting = await monitor.reaches("guest", "waiting");
  assert.equal(waiting["workload_status"], "1");
  assert.equal(waiting["restarts"], "1");
  assert.equal(waiting["guest_pid"], undefined);
  assert.equal(await monitor.ask("signal 12"), "ok\n");
  const started = await monitor.reaches("guest_pid", "13");
  assert.equal(started["workload_ns"], waiting["workload_ns"]);
});
