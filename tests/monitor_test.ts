/**
 * The monitor from outside, with VMMs that misbehave on command: how it starts and refuses to, what it hands to its
 * children, and that killing it leaves nothing. Ends of machines are in `monitor_end_test.ts`, streams, logs and floods
 * in `monitor_streams_test.ts`, real guests in `monitor_guest_test.ts`.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  alive,
  fakeVmm,
  Monitor,
  type MonitorOptions,
  type State,
  until,
} from "./harness/monitor.ts";

const HANG = "hang::";

/** Refused with this sentence, and nothing left but the configuration and the logs. */
async function refused(
  options: MonitorOptions,
  sentence: RegExp,
): Promise<void> {
  await using monitor = await Monitor.attempt(options);
  assert.match(monitor.outcome.stderr, sentence);
  assert.match(monitor.outcome.stderr, /^Cannot [^\n]+\n$/);
  assert.equal(monitor.outcome.code, 1);
  assert.equal(monitor.outcome.stdout, "");
  const left = [...Deno.readDirSync(monitor.runDir)].map((entry) => entry.name);
  assert.deepEqual(
    left.filter((name) => name !== "monitor.conf" && !name.endsWith(".log")),
    [],
  );
  const pids = [...(await monitor.log("vmm.log")).matchAll(/^pid (\d+)$/gm)]
    .map((match) => Number(match[1]));
  assert.deepEqual(pids.filter(alive), []);
}

/** What facts:FD: of the fake VMM told. */
function factsOf(
  text: string,
): { readonly fds: Record<string, string>; readonly status: State } {
  const fds: Record<string, string> = {};
  const status: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const [, fd, target] = /^fd (\d+) (.*)$/.exec(line) ?? [];
    if (fd !== undefined && target !== undefined) fds[fd] = target;
    const [, key, value] = /^(\w+):\s+(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) status[key] = value;
  }
  return { fds, status };
}

Deno.test("monitor returns when the VMM runs and the socket listens, and keeps nothing of its caller", async () => {
  await using monitor = await Monitor.steps([HANG]);
  const state = await monitor.state();
  const pid = Number(state["monitor_pid"]);
  const stat = (await Deno.readTextFile(`/proc/${pid}/stat`)).replace(
    /^.*\) /,
    "",
  ).split(" ");
  assert.equal(stat[3], String(pid), "it leads a session of its own");
  assert.equal(await Deno.readLink(`/proc/${pid}/cwd`), "/");
  for (const fd of [0, 1, 2]) {
    assert.equal(await Deno.readLink(`/proc/${pid}/fd/${fd}`), "/dev/null");
  }
  for (const entry of Deno.readDirSync(`/proc/${pid}/fd`)) {
    const target = await Deno.readLink(`/proc/${pid}/fd/${entry.name}`);
    assert.match(
      target,
      /^(\/dev\/null|socket:.*|pipe:.*|anon_inode:\[signalfd\])$|^\/.*\/volant-monitor-/,
    );
  }
  assert.equal(
    (await Deno.lstat(`${monitor.runDir}/monitor.sock`)).mode ?? 0,
    0o140600,
  );
  assert.equal(
    ((await Deno.stat(`${monitor.runDir}/monitor.state`)).mode ?? 0) & 0o777,
    0o600,
  );
});

Deno.test("monitor.state names both processes so that no recycled pid can be taken for them", async () => {
  await using monitor = await Monitor.steps([HANG]);
  const state = await monitor.state();
  const startOf = (pid: string | undefined) =>
    Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(
      " ",
    )[19];
  assert.equal(state["version"], "1");
  assert.equal(
    state["boot_id"],
    (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim(),
  );
  assert.equal(state["monitor_start"], startOf(state["monitor_pid"]));
  assert.equal(state["vmm_start"], startOf(state["vmm_pid"]));
  assert.equal(state["vmm_exe"], await fakeVmm());
  assert.equal(state["guest"], "unknown");
  assert.ok(Math.abs(Number(state["spawned_ns"]) / 1e6 - Date.now()) < 60_000);
});

Deno.test("monitor refuses what it cannot start, in one sentence, and leaves nothing", async (test) => {
  const vmm = await fakeVmm();
  const sleeper = ["/bin/sh", "-c", "echo pid $$; exec sleep 1000"];
  const cases: readonly (readonly [string, MonitorOptions, RegExp])[] = [
    [
      "a missing VMM",
      { args: ["/nowhere/vmm"] },
      /execute the VMM "\/nowhere\/vmm": No such file or directory/,
    ],
    [
      "a VMM that is no program",
      { args: ["/etc/passwd"] },
      /execute the VMM "\/etc\/passwd": Permission denied/,
    ],
    ["a missing VMM after a companion", {
      args: ["/nowhere/vmm"],
      companion: sleeper,
    }, /execute the VMM/],
    ["a missing companion", {
      args: [vmm, HANG],
      companion: ["/nowhere/passt"],
    }, /the companion "\/nowhere\/passt"/],
    ["no command", { args: [] }, /key of monitor.conf "arg": it is missing/],
    [
      "a relative command",
      { args: ["vmm"] },
      /"arg": the first one is not an absolute path/,
    ],
    [
      "an unknown key",
      { args: [vmm], records: ["colour=blue"] },
      /key of monitor.conf "colour": it is unknown/,
    ],
    [
      "a record without a value",
      { args: [vmm], records: ["colour"] },
      /record of monitor.conf "colour"/,
    ],
    [
      "a later version",
      { args: [vmm], records: ["version=2"] },
      /"version": this monitor knows version 1/,
    ],
    [
      "an unknown stream",
      { args: [vmm], records: ["stream=agent 9"] },
      /"stream": it is none of/,
    ],
    [
      "a stream on stdout",
      { args: [vmm], streams: { console: 1 } },
      /"stream": its descriptor is not a number/,
    ],
    [
      "a descriptor twice",
      { args: [vmm], streams: { console: 9, output: 9 } },
      /"stream": .* given twice/,
    ],
    [
      "a link to nobody",
      { args: [vmm], links: ["8 9"] },
      /"link": there is no companion/,
    ],
    [
      "a TAP without a name",
      { args: [vmm], records: ["tap=9"] },
      /"tap": it is not FD NAME/,
    ],
    [
      "a TAP with too long a name",
      { args: [vmm], records: ["tap=9 abcdefghijklmnop"] },
      /"tap": its device has no name of 1 to 15 bytes/,
    ],
    [
      "a TAP on a descriptor that is in use",
      { args: [vmm], records: ["tap=9 a", "tap=9 b"] },
      /"tap": the descriptor is given twice/,
    ],
    [
      "a TAP that is not there",
      { args: [vmm], records: ["tap=9 vt-not-there"] },
      /open the TAP device "vt-not-there"/,
    ],
    [
      "half an identity",
      { args: [vmm], records: ["uid=1000"] },
      /"uid": uid and gid go together/,
    ],
    ["an id out of range", {
      args: [vmm],
      records: ["uid=4294967295", "gid=1"],
    }, /"uid": it is not a numeric id/],
    [
      "a name for an environment",
      { args: [vmm], env: ["PATH"] },
      /"env": it is not NAME=value/,
    ],
    [
      "a log that is a folder",
      { args: [vmm], logFolder: "/nowhere" },
      /open the log "\/nowhere\/console.log"/,
    ],
    [
      "a tiny log",
      { args: [vmm], records: ["log_max=100"] },
      /"log_max": it is not a number of bytes/,
    ],
    [
      "a configuration too long",
      { args: [vmm, "x".repeat(70_000)] },
      /longer than 65536 bytes/,
    ],
    [
      "too many words",
      { args: Array<string>(600).fill(vmm) },
      /"arg": too many of them/,
    ],
  ];
  for (const [name, options, sentence] of cases) {
    await test.step(name, () => refused(options, sentence));
  }
});

Deno.test("monitor refuses a run directory that is not there, and no run directory at all", async () => {
  const program = `${
    Deno.env.get("VOLANT_BUILD") ??
      new URL("../build", import.meta.url).pathname
  }/shim/monitor`;
  for (
    const [args, sentence] of [[["/nowhere"], /"\/nowhere": No such file/], [
      [],
      /its run directory/,
    ]] as const
  ) {
    const { code, stderr } = await new Deno.Command(program, {
      args: [...args],
    }).output();
    assert.equal(code, 1);
    assert.match(new TextDecoder().decode(stderr), sentence);
  }
});

Deno.test("monitor refuses a run directory in use, and takes over one whose monitor was killed", async () => {
  await using first = await Monitor.steps([HANG]);
  const again = { args: [await fakeVmm(), HANG], runDir: first.runDir };
  const before = await first.state();
  await using refusal = await Monitor.attempt(again);
  assert.match(
    refusal.outcome.stderr,
    /run directory ".*": another monitor runs there/,
  );
  assert.deepEqual(await first.state(), before);
  assert.match(await first.ask("what"), /^error /);

  Deno.kill(Number(before["monitor_pid"]), "SIGKILL");
  await until(
    "the VMM's end",
    () => alive(Number(before["vmm_pid"])) ? undefined : true,
  );
  await using second = await Monitor.start(again);
  assert.notEqual((await second.state())["monitor_pid"], before["monitor_pid"]);
  assert.equal(await second.ask("kill"), "ok\n");
  assert.equal((await second.ended())["cause"], "killed");
});

Deno.test("the VMM gets its descriptors on their numbers, its environment, and nothing else", async () => {
  const vmm = await fakeVmm();
  await using monitor = await Monitor.start({
    args: [vmm, "facts:4:", HANG],
    companion: [vmm, "say:200:through the link\\n", "facts:1:", HANG],
    env: ["A=b c"],
    // Numbers that are sure to be in use in the monitor.
    streams: { control: 3, console: 4, output: 5 },
    links: ["6 200", "7 3"],
  });
  using viewer = await monitor.connect("console");
  const seen = await viewer.reads(
    "the facts",
    (text) => text.includes("nonvoluntary_ctxt_switches"),
  );
  const { fds, status } = factsOf(seen);
  assert.deepEqual(Object.keys(fds), ["0", "1", "2", "3", "4", "5", "6", "7"]);
  assert.equal(fds["0"], "/dev/null");
  assert.match(fds["1"] ?? "", /^pipe:/);
  assert.equal(fds["1"], fds["2"]);
  for (const fd of ["3", "4", "5", "6", "7"]) {
    assert.match(fds[fd] ?? "", /^socket:/);
  }
  assert.match(seen, /^cwd \/$/m);
  assert.equal(status["Umask"], "0077");
  assert.equal(status["NoNewPrivs"], "1");
  for (const key of ["SigBlk", "SigIgn", "SigCgt"]) {
    assert.equal(BigInt(`0x${status[key]}`), 0n, key);
  }
  const environment = await Deno.readTextFile(
    `/proc/${await monitor.number("vmm_pid")}/environ`,
  );
  assert.equal(environment, "A=b c\0");
  const told = await until("the companion's facts", async () => {
    const text = await monitor.log("vmm.log");
    return text.includes("nonvoluntary_ctxt_switches") ? text : undefined;
  });
  assert.deepEqual(Object.keys(factsOf(told).fds).sort(), [
    "0",
    "1",
    "2",
    "200",
    "3",
  ]);
});

Deno.test("the VMM runs as whom it shall, without any capability", async () => {
  const root = Deno.uid() === 0;
  const uid = root ? 65534 : Deno.uid();
  const gid = root ? 65533 : Deno.gid();
  const records = [
    `uid=${uid}`,
    `gid=${gid}`,
    ...(root ? ["group=4242", "group=4343"] : []),
  ];
  // The program must be within reach of whoever it runs as.
  await using monitor = await Monitor.start({
    args: ["/bin/sh", "-c", "cat /proc/self/status; exec sleep 1000"],
    env: ["PATH=/usr/bin:/bin"],
    records,
  });
  const text = await until("the VMM's status", async () => {
    const log = await monitor.log("vmm.log");
    return log.includes("nonvoluntary_ctxt_switches") ? log : undefined;
  });
  const { status } = factsOf(text);
  assert.equal(status["Uid"], `${uid}\t${uid}\t${uid}\t${uid}`);
  assert.equal(status["Gid"], `${gid}\t${gid}\t${gid}\t${gid}`);
  if (root) assert.equal(status["Groups"], "4242 4343");
  for (const key of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) {
    assert.equal(BigInt(`0x${status[key]}`), 0n, key);
  }
  if (root) assert.equal(BigInt(`0x${status["CapBnd"]}`), 0n);
  assert.equal(status["NoNewPrivs"], "1");

  const before = await monitor.state();
  Deno.kill(Number(before["monitor_pid"]), "SIGKILL");
  await until(
    "the end of a VMM of another uid",
    () => alive(Number(before["vmm_pid"])) ? undefined : true,
  );
});

Deno.test("a VMM or companion that crashes leaves no core, whatever the caller's limit", async () => {
  const show = "cat /proc/self/limits; exec sleep 1000";
  await using monitor = await Monitor.start({
    args: ["/bin/sh", "-c", show],
    companion: ["/bin/sh", "-c", show],
    env: ["PATH=/usr/bin:/bin"],
    wrapper: [
      "sh",
      "-c",
      'ulimit -S -c "$(ulimit -H -c)" && exec "$@"',
      "sh",
    ],
  });
  const limits = await until("the limits of both", async () => {
    const found = [
      ...(await monitor.log("vmm.log")).matchAll(
        /^Max core file size +(\w+) +(\w+) /gm,
      ),
    ].map(([, soft, hard]) => `${soft} ${hard}`);
    return found.length === 2 ? found : undefined;
  });
  // One byte: no file is written, and, unlike with 0, no helper is started to read the guest's memory either.
  assert.deepEqual(limits, ["1 1", "1 1"]);
});

Deno.test("a guest that can no longer speak costs the monitor no time", async () => {
  await using monitor = await Monitor.start({
    args: [
      "/bin/sh",
      "-c",
      "exec 3<&-; sleep 5; echo rested; exec sleep 1000",
    ],
    env: ["PATH=/usr/bin:/bin"],
    streams: { control: 3 },
  });
  const pid = await monitor.number("monitor_pid");
  await until(
    "the end of the rest",
    async () =>
      (await monitor.log("vmm.log")).includes("rested") ? true : undefined,
  );
  const stat = (await Deno.readTextFile(`/proc/${pid}/stat`)).replace(
    /^.*\) /,
    "",
  ).split(" ");
  const ticks = Number(stat[11]) + Number(stat[12]);
  assert.ok(ticks < 30, `${ticks} ticks of 10 ms`);
});

Deno.test("killing the monitor leaves neither VMM nor companion", async () => {
  const vmm = await fakeVmm();
  await using monitor = await Monitor.start({
    args: [vmm, "ignore:15:", HANG],
    companion: [
      "/bin/sh",
      "-c",
      "echo pid $$; trap '' TERM; while :; do sleep 1; done",
    ],
    env: ["PATH=/usr/bin:/bin"],
  });
  const companion = await until("the companion's pid", async () => {
    const [, pid] = /^pid (\d+)$/m.exec(await monitor.log("vmm.log")) ?? [];
    return pid === undefined ? undefined : Number(pid);
  });
  const state = await monitor.state();
  Deno.kill(Number(state["monitor_pid"]), "SIGKILL");
  for (const pid of [companion, Number(state["vmm_pid"])]) {
    await until(`the end of ${pid}`, () => alive(pid) ? undefined : true);
  }
});
