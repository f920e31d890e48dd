/**
 * Holding a machine, from outside: the VMM stands still for as long as somebody keeps the connection, and for no longer;
 * and nothing that ends a machine is kept waiting by it.
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
  type Viewer,
} from "./harness/monitor.ts";

const BOOTED =
  "say:10:volant 1\\nstate booting\\nstate started pid=7 restarts=0\\n";
const HANG = "hang::";
/** Longer than any test. */
const LONG = "hold 600000";

/** `T` for a process that is stopped. */
function processState(pid: number): string {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2)[0] ?? "";
}

async function vmmIs(monitor: Monitor, isStopped: boolean): Promise<void> {
  const pid = await monitor.number("vmm_pid");
  await until(
    `the VMM ${isStopped ? "stopped" : "running"}`,
    () => (processState(pid) === "T") === isStopped ? true : undefined,
  );
}

async function held(monitor: Monitor, line = LONG): Promise<Viewer> {
  const viewer = await monitor.connect(line);
  await viewer.reads("its ok", (seen) => seen === "ok\n");
  return viewer;
}

function has(state: State, expected: State): void {
  const told = Object.fromEntries(
    Object.keys(expected).map((key) => [key, state[key]]),
  );
  assert.deepEqual(told, expected, JSON.stringify(state));
}

Deno.test("a VMM stands still while it is held, and goes on when it is released", async () => {
  await using monitor = await Monitor.steps([BOOTED, "echo:11:"]);
  await monitor.reaches("guest", "started");
  using viewer = await held(monitor);
  const pid = await monitor.number("vmm_pid");
  // By the time of the `ok`, not some time after it.
  assert.equal(processState(pid), "T");

  using view = await monitor.connect("console");
  await view.write("typed while it stood still");
  await viewer.write("rel");
  await viewer.write("ease\n");
  assert.equal(await viewer.rest(), "ok\nok\n");
  await view.reads(
    "the echo",
    (seen) => seen.includes("typed while it stood still"),
  );
  assert.notEqual(processState(pid), "T");
});

Deno.test("the companion of a VMM that is held runs on", async () => {
  await using monitor = await Monitor.steps([BOOTED, HANG], {
    companion: ["/bin/sleep", "1000"],
  });
  await monitor.reaches("guest", "started");
  const parent = await monitor.number("monitor_pid");
  const vmm = await monitor.number("vmm_pid");
  using _viewer = await held(monitor);
  const children = [...Deno.readDirSync("/proc")]
    .map(({ name }) => Number(name))
    .filter((pid) => pid > 0 && isChild(pid, parent));
  assert.equal(children.length, 2);
  for (const pid of children) {
    assert.equal(processState(pid) === "T", pid === vmm, `process ${pid}`);
  }
});

function isChild(pid: number, parent: number): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 4).startsWith(`${parent} `);
  } catch {
    return false; // It ended meanwhile.
  }
}

const LETTING_GO: Readonly<
  Record<string, (viewer: Viewer) => Promise<void> | void>
> = {
  "closes its connection": (viewer) => viewer[Symbol.dispose](),
  "says something else": (viewer) => viewer.write("watch\n"),
  "says more than its word": (viewer) => viewer.write("release now\n"),
};

for (const [name, letGo] of Object.entries(LETTING_GO)) {
  Deno.test(`a VMM goes on when its holder ${name}`, async () => {
    await using monitor = await Monitor.steps([BOOTED, HANG]);
    await monitor.reaches("guest", "started");
    const viewer = await held(monitor);
    await letGo(viewer);
    await vmmIs(monitor, false);
    if (!name.startsWith("closes")) {
      assert.equal(await viewer.rest(), "ok\n");
      viewer[Symbol.dispose]();
    }
  });
}

Deno.test("a VMM goes on when its holder is killed", async () => {
  await using monitor = await Monitor.steps([BOOTED, HANG]);
  await monitor.reaches("guest", "started");
  const holder = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `const c = await Deno.connect({ transport: "unix", path: ${
        JSON.stringify(`${monitor.runDir}/monitor.sock`)
      } });
       await c.write(new TextEncoder().encode("${LONG}\\n"));
       await new Promise((done) => setTimeout(done, 1e9));`,
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  await vmmIs(monitor, true);
  holder.kill("SIGKILL");
  await holder.status;
  await vmmIs(monitor, false);
});

Deno.test("a hold ends by itself after its longest time, and its release is not answered", async () => {
  await using monitor = await Monitor.steps([BOOTED, HANG]);
  await monitor.reaches("guest", "started");
  using viewer = await held(monitor, "hold 200");
  assert.equal(await viewer.rest(), "ok\n");
  await vmmIs(monitor, false);
});

Deno.test("a VMM held by two stands still until the last of them lets go", async () => {
  await using monitor = await Monitor.steps([BOOTED, HANG]);
  await monitor.reaches("guest", "started");
  const first = await held(monitor);
  using second = await held(monitor);
  first[Symbol.dispose]();
  // Answered only after the first one's end was seen.
  await monitor.ask("nothing");
  assert.equal(processState(await monitor.number("vmm_pid")), "T");
  await second.write("release\n");
  assert.equal(await second.rest(), "ok\nok\n");
  await vmmIs(monitor, false);
});

Deno.test("a VMM can be held again and again", async () => {
  await using monitor = await Monitor.steps([BOOTED, HANG]);
  await monitor.reaches("guest", "started");
  const pid = await monitor.number("vmm_pid");
  for (let round = 0; round < 50; round++) {
    using viewer = await held(monitor);
    assert.equal(processState(pid), "T", `round ${round}`);
    await viewer.write("release\n");
    assert.equal(await viewer.rest(), "ok\nok\n", `round ${round}`);
  }
  await vmmIs(monitor, false);
});

interface Ending {
  readonly name: string;
  readonly steps: readonly string[];
  readonly options?: Partial<MonitorOptions>;
  readonly act: (monitor: Monitor) => Promise<unknown> | unknown;
  readonly expect: State;
}

const STOPS = [
  BOOTED,
  "await:10:stop 9000\\n",
  "say:10:state stopping\\nstate exited status=143\\noff stop\\n",
];

const ENDINGS: readonly Ending[] = [
  {
    name: "a stop",
    steps: STOPS,
    act: (monitor) => monitor.ask("stop 9000"),
    expect: { cause: "stopped", workload_status: "143", vmm_status: "0" },
  },
  {
    name: "a stop by SIGTERM to the monitor",
    steps: STOPS,
    options: { records: ["grace_ms=9000"] },
    act: async (monitor) =>
      Deno.kill(await monitor.number("monitor_pid"), "SIGTERM"),
    expect: { cause: "stopped", workload_status: "143", vmm_status: "0" },
  },
  {
    name: "a kill",
    steps: [BOOTED, HANG],
    act: (monitor) => monitor.ask("kill"),
    expect: { cause: "killed", vmm_status: "137" },
  },
  {
    name: "a VMM that is killed by another",
    steps: [BOOTED, HANG],
    act: async (monitor) =>
      Deno.kill(await monitor.number("vmm_pid"), "SIGKILL"),
    expect: { cause: "vmm-crashed", vmm_status: "137" },
  },
  {
    name: "a companion that fails",
    steps: [BOOTED, HANG],
    options: {
      companion: [
        "/bin/sh",
        "-c",
        "until [ -e @RUN@/end ]; do sleep 0.05; done; exit 3",
      ],
    },
    act: (monitor) => Deno.writeTextFile(`${monitor.runDir}/end`, ""),
    expect: { cause: "companion-failed" },
  },
];

for (const { name, steps, options, act, expect } of ENDINGS) {
  Deno.test(`a machine that is held ends by ${name}, with its right cause`, async () => {
    await using monitor = await Monitor.steps(steps, options ?? {});
    await monitor.reaches("guest", "started");
    using viewer = await held(monitor);
    await act(monitor);
    has(await monitor.ended(), expect);
    // The end of the hold is told by the end of the connection alone.
    assert.equal(await viewer.rest(), "ok\n");
  });
}

Deno.test("a monitor that is killed while it holds takes the VMM along", async () => {
  await using monitor = await Monitor.steps([BOOTED, HANG]);
  await monitor.reaches("guest", "started");
  const pid = await monitor.number("vmm_pid");
  using _viewer = await held(monitor);
  Deno.kill(await monitor.number("monitor_pid"), "SIGKILL");
  await until("the VMM's end", () => alive(pid) ? undefined : true);
});

Deno.test("a machine that is ending is not held, and gets its whole grace", async () => {
  await using monitor = await Monitor.steps([
    BOOTED,
    "await:10:stop 60000\\n",
    "say:11:told\\n",
    "await:11:go on\\n",
    "say:10:state exited status=0\\noff stop\\n",
  ]);
  await monitor.reaches("guest", "started");
  assert.equal(await monitor.ask("stop 60000"), "ok\n");
  using view = await monitor.connect("console");
  await view.reads("told", (seen) => seen.includes("told"));
  assert.equal(await monitor.ask(LONG), "error the machine is ending\n");
  assert.notEqual(processState(await monitor.number("vmm_pid")), "T");
  await view.write("go on\n");
  const last = await monitor.ended();
  has(last, { cause: "stopped" });
  assert.equal(last["forced"], undefined);
});

Deno.test("a hold needs a time it can be given", async () => {
  await using monitor = await Monitor.steps([BOOTED, HANG]);
  await monitor.reaches("guest", "started");
  for (const line of ["hold ", "hold -1", "hold 1s", "hold 86400001"]) {
    assert.equal(
      await monitor.ask(line),
      "error the longest time is not a number of milliseconds of at most a day\n",
    );
  }
  assert.match(await monitor.ask("hold"), /^error the line is none of /);
  assert.notEqual(processState(await monitor.number("vmm_pid")), "T");
});
