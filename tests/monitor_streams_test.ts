/**
 * What flows through the monitor, from outside: logs and their rotation, a full disk, viewers quick and slow, watchers, and
 * guests that flood. Starts and ends are in `monitor_test.ts`.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  Monitor,
  parseState,
  STREAMS,
  until,
  Viewer,
} from "./harness/monitor.ts";

const BOOTED =
  "say:10:volant 1\\nstate booting\\nstate started pid=7 restarts=0\\n";
const HANG = "hang::";
const RING = 16_384;
const CRI = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) stdout ([FP]) (.*)$/;

interface CriLine {
  readonly time: string;
  readonly tag: string;
  readonly text: string;
}

function criLines(log: string): readonly CriLine[] {
  assert.ok(log === "" || log.endsWith("\n"));
  return log.split("\n").slice(0, -1).map((line) => {
    const [, time, tag, text] = CRI.exec(line) ?? [];
    assert.ok(
      time !== undefined && tag !== undefined && text !== undefined,
      JSON.stringify(line),
    );
    return { time, tag, text };
  });
}

async function residentKib(pid: number): Promise<number> {
  const [, kib] = /^Pss:\s+(\d+) kB$/m.exec(
    await Deno.readTextFile(`/proc/${pid}/smaps_rollup`),
  ) ?? [];
  assert.ok(kib !== undefined);
  return Number(kib);
}

Deno.test("log_output has one stamped line for each line, and parts of what is too long or never ended", async () => {
  const began = new Date().toISOString();
  const long = "x".repeat(4096);
  await using monitor = await Monitor.steps([
    "say:12:one\\n\\nthr",
    "pause:50:",
    `say:12:ee\\n${long}\\n${long}yy\\nno end`,
    "say:11:raw \\r\\n\\e[1mconsole",
    "say:2:to the end",
    "exit:0:",
  ]);
  await monitor.ended();
  const lines = criLines(await monitor.log("output.log"));
  const expected = [
    ["F", "one"],
    ["F", ""],
    ["F", "three"],
    ["F", long],
    ["P", long],
    ["F", "yy"],
    ["P", "no end"],
  ];
  assert.deepEqual(lines.map(({ tag, text }) => [tag, text]), expected);
  const times = lines.map((line) => line.time);
  assert.deepEqual(times, [...times].sort());
  assert.ok(
    (times[0] ?? "") >= began.slice(0, 19) &&
      (times[0] ?? "").slice(0, 19) <= new Date().toISOString(),
  );
  assert.equal(await monitor.log("console.log"), "raw \r\n\x1b[1mconsole");
  assert.equal(await monitor.log("vmm.log"), "to the end");
  for (const name of ["output", "console", "vmm"]) {
    assert.equal(
      ((await Deno.stat(`${monitor.runDir}/${name}.log`)).mode ?? 0) & 0o777,
      0o600,
    );
  }
});

Deno.test("log_output stamps the right time of the right day", async () => {
  await using monitor = await Monitor.steps(["say:12:now\\n"]);
  const { ended_ns } = await monitor.ended();
  const [line] = criLines(await monitor.log("output.log"));
  const distance = Number(BigInt(ended_ns ?? 0) / 1_000_000n) -
    Date.parse((line?.time ?? "").slice(0, 23) + "Z");
  assert.ok(Math.abs(distance) < 10_000, `${distance} ms from the clock`);
});

Deno.test("a log goes on where the last machine's stopped, on a line of its own", async () => {
  await using first = await Monitor.steps([HANG]);
  await Deno.writeTextFile(
    `${first.runDir}/output.log`,
    "2026-01-01T00:00:00.000000000Z stdout F ha",
  );
  Deno.kill(await first.number("monitor_pid"), "SIGKILL");
  await using second = await Monitor.steps(["say:12:next\\n"], {
    runDir: first.runDir,
  });
  await second.ended();
  assert.deepEqual(
    criLines(await second.log("output.log")).map((line) => line.text),
    ["ha", "next"],
  );
});

Deno.test("logs are rotated by renaming, and only as many are kept as asked for", async () => {
  const records = ["log_max=16384", "log_keep=2"];
  await using monitor = await Monitor.steps([
    "repeat:12:2000 a line of forty-four characters, or so it is\\n",
  ], { records });
  await monitor.ended();
  const names = [...Deno.readDirSync(monitor.runDir)].map((entry) => entry.name)
    .filter((name) => /^output/.test(name));
  assert.deepEqual(names.sort(), [
    "output.log",
    "output.log.1",
    "output.log.2",
  ]);
  const stamps: string[] = [];
  for (const name of ["output.log.2", "output.log.1", "output.log"]) {
    const text = await monitor.log(name);
    assert.ok(
      text.length <= 16_384 && text.length > 0,
      `${name} has ${text.length} bytes`,
    );
    for (const line of criLines(text)) {
      assert.equal(line.text, "a line of forty-four characters, or so it is");
      stamps.push(line.time);
    }
  }
  assert.deepEqual(stamps, [...stamps].sort());
  assert.ok((await monitor.log("output.log.1")).length > 8_192);
});

Deno.test("log_keep=0 keeps the one file only", async () => {
  await using monitor = await Monitor.steps([
    "repeat:11:3000 thirty bytes of kernel console\\n",
    "say:11:last\\n",
  ], {
    records: ["log_max=16384", "log_keep=0"],
  });
  await monitor.ended();
  const names = [...Deno.readDirSync(monitor.runDir)].map((entry) => entry.name)
    .filter((name) => /^console/.test(name));
  assert.deepEqual(names, ["console.log"]);
  const text = await monitor.log("console.log");
  assert.ok(text.length <= 16_384 && text.endsWith("last\n"));
});

Deno.test("a full disk costs lines, never the guest, and is told when there is room again", async () => {
  const script =
    'mount -t tmpfs -o size=128k none "$1/logs" && head -c 100k /dev/zero >"$1/logs/filler" && exec "$2" "$1"';
  const runDir = await Deno.makeTempDir({ prefix: "volant-monitor-" });
  try {
    await Deno.mkdir(`${runDir}/logs`);
    await using monitor = await Monitor.steps([
      BOOTED,
      "repeat:12:1000 a line before there was no room any more\\n",
      "repeat:11:1000 the same for the console of the kernel\\n",
      "say:10:state waiting status=0 restarts=1 delay_ms=0\\n",
      "await:10:signal 10\\n",
      "say:12:room again\\n",
      "say:11:room again\\n",
      "say:10:state started pid=8 restarts=1\\n",
      HANG,
    ], {
      runDir,
      logFolder: `${runDir}/logs`,
      wrapper: ["unshare", "-rm", "sh", "-c", script, "sh", "@RUN@"],
    });
    const { monitor_pid } = await monitor.reaches("guest", "waiting");
    // The disk is mounted for the monitor alone.
    const logs = `/proc/${monitor_pid}/root${runDir}/logs`;
    const full = criLines(await Deno.readTextFile(`${logs}/output.log`));
    assert.ok(full.length > 0 && full.length < 1000);
    await Deno.remove(`${logs}/filler`);
    assert.equal(await monitor.ask("signal 10"), "ok\n");
    await monitor.reaches("restarts", "1");
    await monitor.reaches("guest_pid", "8");
    const lines = await until("the line after the gap", async () => {
      const now = criLines(await Deno.readTextFile(`${logs}/output.log`));
      return now.at(-1)?.text === "room again" ? now : undefined;
    });
    let kept = 0;
    let missing = 0;
    for (const { text } of lines.slice(0, -1)) {
      const [, bytes] =
        /^volant: (\d+) bytes are missing here: No space left on device$/.exec(
          text,
        ) ?? [];
      if (bytes !== undefined) missing += Number(bytes);
      else assert.equal(text, "a line before there was no room any more");
      if (bytes === undefined) kept++;
    }
    assert.ok(missing > 0);
    assert.equal(missing + 81 * kept, 81 * 1000);
    const consoleLog = await until(
      "the console's line after the gap",
      async () => {
        const text = await Deno.readTextFile(`${logs}/console.log`);
        return text.endsWith("room again\n") ? text : undefined;
      },
    );
    assert.match(
      consoleLog,
      /\nvolant: \d+ bytes are missing here: No space left on device\n(.*\n)*room again\n$/,
    );
    assert.equal(await monitor.ask("kill"), "ok\n");
    await monitor.ended();
  } finally {
    await Deno.remove(runDir, { recursive: true });
  }
});

Deno.test("several viewers see the same console, what was before them, and what each other types", async () => {
  await using monitor = await Monitor.steps([
    "repeat:11:1000 older than what is kept\\n",
    "say:11:login: ",
    "echo:11:",
  ]);
  await until(
    "the prompt",
    async () =>
      (await monitor.log("console.log")).endsWith("login: ") ? true : undefined,
  );
  using first = await monitor.connect("console");
  using second = await monitor.connect("console");
  using third = await monitor.connect("console\nearly ");
  for (const viewer of [first, second, third]) {
    await viewer.reads("the prompt", (text) => text.includes("login: "));
  }
  assert.equal(
    first.seen.indexOf("login: ") + "login: ".length,
    RING,
    "the replay is the last 16 KiB",
  );
  await first.reads(
    "the third's first word",
    (text) => text.endsWith("early \n"),
  );
  await first.write("root\n");
  await second.write("more\n");
  for (const viewer of [first, second, third]) {
    await viewer.reads(
      "both words",
      (text) => text.includes("root\n") && text.includes("more\n"),
    );
  }
  assert.equal(await monitor.ask("kill"), "ok\n");
  for (const viewer of [first, second, third]) await viewer.rest();
});

Deno.test("a viewer of the output sees it to the end, and cannot write to it", async () => {
  await using monitor = await Monitor.steps([
    BOOTED,
    "say:12:hello\\n",
    "await:10:signal 1\\n",
    "say:12:goodbye\\n",
  ]);
  using viewer = await monitor.connect("output");
  await viewer.write("nobody reads this\n");
  await viewer.reads("the greeting", (text) => text === "hello\n");
  assert.equal(await monitor.ask("signal 1"), "ok\n");
  assert.equal(await viewer.rest(), "hello\ngoodbye\n");
});

Deno.test("a viewer that does not read is dropped; the guest and the others go on", async () => {
  await using monitor = await Monitor.steps([
    BOOTED,
    "await:10:signal 1\\n",
    "repeat:12:40000 a line that a slow viewer has no time for\\n",
    "say:12:the end\\n",
    HANG,
  ]);
  await monitor.reaches("guest", "started");
  using slow = await monitor.connect("output");
  await until(
    "the slow viewer is taken",
    async () =>
      (await monitor.ask("bad")).startsWith("error") ? true : undefined,
  );
  assert.equal(await monitor.ask("signal 1"), "ok\n");
  const log = await until("the end of the output", async () => {
    const text = await monitor.log("output.log");
    return text.endsWith("the end\n") ? text : undefined;
  });
  assert.equal(criLines(log).length, 40_001);
  const seen = await slow.rest().catch((error) => {
    assert.ok(error instanceof Deno.errors.ConnectionReset);
    return slow.seen;
  });
  assert.ok(
    seen.length < 300_000 && !seen.includes("the end"),
    `it got ${seen.length} bytes`,
  );
  using late = await monitor.connect("output");
  assert.equal(
    (await late.reads("the end", (text) => text.endsWith("the end\n"))).length,
    RING,
  );
  assert.ok(await residentKib(await monitor.number("monitor_pid")) < 400);
});

Deno.test("a watcher gets each state, the newest after it was slow, and the last one before the end", async () => {
  await using monitor = await Monitor.steps([
    BOOTED,
    "await:10:signal 1\\n",
    "repeat:10:10000 state started pid=7 restarts=1\nstate waiting status=1 restarts=2 delay_ms=1\n",
    "say:10:state started pid=9 restarts=3\\n",
    "await:10:signal 2\\n",
    "say:10:state exited status=5\\noff exit\\n",
  ]);
  using watcher = await monitor.connect("watch");
  await watcher.reads(
    "the first state",
    (text) => text.includes("guest=started\n") && text.endsWith("\n\n"),
  );
  using slow = await monitor.connect("watch");
  assert.equal(await monitor.ask("signal 1"), "ok\n");
  await watcher.reads(
    "the state after the flood",
    (text) => text.includes("guest_pid=9\n"),
  );
  await slow.reads(
    "the state after the flood",
    (text) => text.includes("guest_pid=9\n"),
  );
  assert.equal(await monitor.ask("signal 2"), "ok\n");
  const [text, slowText] = await Promise.all([watcher.rest(), slow.rest()]);
  const last = await monitor.ended();
  assert.equal(last["cause"], "exited");
  const states = text.split("\n\n").slice(0, -1).map(parseState);
  assert.deepEqual(states.at(-1), last);
  assert.deepEqual(parseState(slowText.split("\n\n").at(-2) ?? ""), last);
  const ms = Number(
    BigInt(last["ended_ns"] ?? 0) - BigInt(states[0]?.["spawned_ns"] ?? 0),
  ) / 1e6;
  assert.ok(
    states.length <= ms / 50 + 6,
    `${states.length} states in ${ms} ms`,
  );
});

Deno.test("no reader ever sees half a state", async () => {
  // Written in pieces of several reads, which then end in this state or that.
  const flood =
    "state waiting status=1 restarts=2 delay_ms=1\\nstate stopping\\n".repeat(
      500,
    );
  await using monitor = await Monitor.steps([BOOTED, `flood:10:${flood}`]);
  const pid = await monitor.number("monitor_pid");
  const seen = new Set<string>();
  const enough = () => seen.has("waiting") && seen.has("stopping");
  for (let reads = 0; reads < 3000 || (!enough() && reads < 300_000); reads++) {
    const text = Deno.readTextFileSync(`${monitor.runDir}/monitor.state`);
    const state = parseState(text);
    assert.ok(text.startsWith("version=1\n") && text.endsWith("\n"));
    assert.equal(state["monitor_pid"], String(pid));
    seen.add(state["guest"] ?? "");
    if (reads % 100 === 0) await new Promise((done) => setTimeout(done, 1));
  }
  assert.ok(enough(), [...seen].join());
  assert.equal(await monitor.ask("kill"), "ok\n");
  await monitor.ended();
});

Deno.test("a guest that floods its control port hurts nobody but itself", async (test) => {
  const floods: Readonly<Record<string, string>> = {
    "a line without an end": "x".repeat(1000),
    "NUL bytes": "\\0\\0\\0\\0\\0\\0\\0\\0state started\\0 pid=1 restarts=1\\n"
      .repeat(20),
    "escapes": "\\e[2J\\e]0;owned\\n".repeat(50),
    "states": "state started pid=1 restarts=1\\n".repeat(30),
    "faults": `fault ${"\\e]0;x".repeat(20)}${"é".repeat(150)}\\n`.repeat(3),
  };
  for (const [name, text] of Object.entries(floods)) {
    await test.step(name, async () => {
      await using monitor = await Monitor.steps([BOOTED, `flood:10:${text}`]);
      const { monitor_pid } = await monitor.reaches("guest", "started");
      // It is answered at once, time and again, while the flood runs.
      for (let i = 0; i < 20; i++) {
        assert.match(await monitor.ask("nonsense"), /^error /);
      }
      assert.ok(await residentKib(Number(monitor_pid)) < 400);
      assert.equal(await monitor.ask("kill"), "ok\n");
      const state = await monitor.ended();
      assert.equal(state["cause"], "killed");
      assert.equal(await monitor.log("vmm.log"), "");
      assert.match(JSON.stringify(state), /^[\x20-\x7eé]*$/);
      assert.ok((state["detail"] ?? "").length <= 400);
    });
  }
});

Deno.test("floods of output and console fill the logs to their limit and no further", async () => {
  const flood = "0123456789 ".repeat(90);
  await using monitor = await Monitor.steps([
    BOOTED,
    "descend:11:",
    `flood:12:${flood}\\n`,
  ], {
    companion: ["/bin/sh", "-c", "while :; do echo companion; done"],
    records: ["log_max=65536", "log_keep=1"],
  });
  await monitor.reaches("guest", "started");
  for (const name of ["output.log.1", "vmm.log.1"]) {
    await until(
      `a rotated ${name}`,
      async () => (await monitor.log(name)) === "" ? undefined : true,
    );
  }
  assert.equal(await monitor.ask("kill"), "ok\n");
  assert.equal((await monitor.ended())["cause"], "killed");
  for (const entry of Deno.readDirSync(monitor.runDir)) {
    assert.ok(
      Deno.statSync(`${monitor.runDir}/${entry.name}`).size <= 65_536,
      entry.name,
    );
  }
});

Deno.test("a guest that does not read its console makes its viewer wait, not the monitor", async () => {
  await using monitor = await Monitor.steps([
    BOOTED,
    "await:10:signal 1\\n",
    "echo:11:",
  ]);
  await monitor.reaches("guest", "started");
  using viewer = await monitor.connect("console");
  // More than the way to the guest holds, less than what a viewer may be behind when it all comes back at once.
  const typed = "typed ".repeat(8_000);
  const typing = viewer.write(typed);
  for (let i = 0; i < 20; i++) {
    assert.match(await monitor.ask("nonsense"), /^error /);
  }
  assert.equal(await monitor.ask("signal 1"), "ok\n");
  await Promise.all([
    typing,
    viewer.reads("all that was typed", (text) => text.length === typed.length),
  ]);
  assert.equal(viewer.seen, typed);
});

Deno.test("a guest that does not read its control port is told of as such, and ended all the same", async () => {
  await using monitor = await Monitor.steps([BOOTED, HANG]);
  await monitor.reaches("guest", "started");
  const answers = new Set<string>();
  for (let i = 0; i < 1000 && answers.size < 2; i++) {
    answers.add(await monitor.ask("signal 10"));
  }
  assert.deepEqual([...answers], [
    "ok\n",
    "error the guest does not read its control port\n",
  ]);
  assert.equal(await monitor.ask("kill"), "ok\n");
  await monitor.ended();
});

Deno.test("monitor serves sixteen clients, tells the next one, and says what it does not understand", async () => {
  await using monitor = await Monitor.steps([HANG]);
  const answers: Readonly<Record<string, RegExp>> = {
    "": /^error the line is none of/,
    "stop": /^error the line is none of/,
    "stop soon": /^error the grace is not a number/,
    "stop -1": /^error the grace is not a number/,
    "stop 99999999999999999999": /^error the grace is not a number/,
    "signal 65": /^error the signal is not a number/,
    "signal 0": /^error the signal is not a number/,
    "signal 9": /^error the guest has not spoken/,
    ["x".repeat(300)]: /^error the line is longer than 127 bytes/,
  };
  for (const [line, answer] of Object.entries(answers)) {
    assert.match(
      await monitor.ask(line === "" ? "\n" : line),
      answer,
      JSON.stringify(line),
    );
  }
  assert.equal((await monitor.state())["stop"], undefined);
  const viewers: Viewer[] = [];
  try {
    for (let i = 0; i < 16; i++) {
      const viewer = await monitor.connect("watch");
      viewers.push(viewer);
      await viewer.reads("a state", (text) => text.endsWith("\n\n"));
    }
    using next = await monitor.connect("");
    assert.equal(await next.rest(), "error 16 clients are connected already\n");
    viewers.pop()?.[Symbol.dispose]();
    await until(
      "a free place",
      async () =>
        (await monitor.ask("kill").catch(() => "")) === "ok\n"
          ? true
          : undefined,
    );
    await Promise.all(viewers.map((viewer) => viewer.rest()));
  } finally {
    for (const viewer of viewers) viewer[Symbol.dispose]();
  }
});

Deno.test("an idle monitor is small", async () => {
  await using monitor = await Monitor.steps([BOOTED, HANG], {
    streams: STREAMS,
  });
  await monitor.reaches("guest", "started");
  const kib = await residentKib(await monitor.number("monitor_pid"));
  assert.ok(kib < 200, `${kib} KiB`);
});
