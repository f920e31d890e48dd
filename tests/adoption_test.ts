/**
 * Machines outlive their daemon, in whatever way that ends, and the next daemon
 * takes them up as if nothing had been: the same process, the same boot, a log
 * without a gap, ports that answer all the time. What ended meanwhile is known
 * by its true cause.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "./harness/appliance.ts";
import { Held } from "./harness/held.ts";
import {
  killMonitor,
  monitorPid,
  stateOf,
  tellMonitor,
  untilEnded,
} from "./harness/machine.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until, untilGone } from "./harness/until.ts";

const TICKING = "n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.2; done";

const SERVING = `
mkdir -p /www
echo "page of $(hostname)" > /www/index.html
nc -ll -p 7 -e /bin/cat &
exec httpd -f -p 80 -h /www
`;

/** Ends in the way it is told by a signal; the last is a panic of its kernel. */
const OBEDIENT = `
trap 'exit 7' USR1
trap 'exit 0' USR2
trap 'kill -TERM 1' HUP
trap 'overwrite' ALRM
overwrite() {
  for at in $(sed -n 's/-.* r-xp .*//p' /proc/1/maps | head -n 2); do
    dd if=/dev/zero of=/proc/1/mem bs=4096 seek=$((0x$at / 4096)) count=2 conv=notrunc
  done
  kill -TERM 1
}
echo ready
while :; do sleep 0.1; done
`;

const USR1 = 10;
const USR2 = 12;
const HUP = 1;
const ALRM = 14;

interface Ending {
  readonly name: string;
  /** Ends the machine while no daemon runs. */
  end(volant: TmpVolant, id: number): Promise<void>;
  readonly status: "stopped" | "crashed";
  readonly cause: string;
  /** Of the workload. */
  readonly exit?: number;
}

function bySignal(signal: number): Ending["end"] {
  return async (volant, id) => {
    await tellMonitor(volant, id, `signal ${signal}`);
    await untilEnded(volant, id);
  };
}

const ENDINGS: readonly Ending[] = [
  {
    name: "fails",
    end: bySignal(USR1),
    status: "crashed",
    cause: "exited",
    exit: 7,
  },
  {
    name: "is-done",
    end: bySignal(USR2),
    status: "stopped",
    cause: "exited",
    exit: 0,
  },
  {
    name: "powers-off",
    end: bySignal(HUP),
    status: "stopped",
    cause: "stopped",
  },
  {
    name: "panics",
    end: bySignal(ALRM),
    status: "crashed",
    cause: "guest-panic",
  },
  {
    name: "vmm-killed",
    end: async (volant, id) => {
      Deno.kill(Number(stateOf(volant, id)["vmm_pid"]), "SIGKILL");
      await untilEnded(volant, id);
    },
    status: "crashed",
    cause: "vmm-crashed",
  },
  {
    name: "monitor-killed",
    end: killMonitor,
    status: "crashed",
    cause: "monitor-lost",
  },
];

interface Way {
  readonly name: string;
  readonly signal: Deno.Signal;
  /** What else is done before the next daemon starts. */
  readonly meanwhile?: (volant: TmpVolant) => Promise<void>;
}

const WAYS: readonly Way[] = [
  { name: "is stopped", signal: "SIGTERM" },
  { name: "is killed", signal: "SIGKILL" },
  { name: "crashes", signal: "SIGILL" },
  { name: "aborts", signal: "SIGABRT" },
  { name: "is replaced", signal: "SIGTERM", meanwhile: replace },
];

/** Another executable elsewhere; of the one that started the machines, nothing is left. */
async function replace(volant: TmpVolant): Promise<void> {
  const next = `${volant.folder}/next/volant`;
  await Deno.mkdir(`${volant.folder}/next`);
  await Deno.copyFile(volant.executable, next);
  await Deno.remove(volant.executable);
  // Monitors run from there: another version unpacks its own elsewhere.
  await Deno.remove(`${volant.stateDir}/assets`, { recursive: true });
  volant.executable = next;
}

/** What must be the same before and after; all that a client can see of a machine. */
async function seen(
  volant: TmpVolant,
  name: string,
): Promise<Record<string, unknown>> {
  const { updated_at: _, ...vm } = await volant.json("vm", "get", name);
  return { ...vm, monitor: monitorPid(volant, vm.id) };
}

async function start(): Promise<TmpVolant> {
  const volant = await TmpVolant.start();
  // Of its own, because it is removed.
  const first = `${volant.folder}/first/volant`;
  await Deno.mkdir(`${volant.folder}/first`);
  await Deno.copyFile(volant.executable, first);
  await volant.endDaemon("SIGTERM");
  volant.executable = first;
  // One that crashes must not leave its memory in this folder; and a daemon that
  // may have no core at all can start machines.
  volant.enter = ["prlimit", "--core=0", "--"];
  await volant.startDaemon();
  return volant;
}

async function assertNoGap(volant: TmpVolant, name: string): Promise<void> {
  const lines = (await volant.run("vm", "logs", name)).trim().split("\n");
  assert.deepEqual(lines, lines.map((_, index) => `tick ${index + 1}`));
}

Deno.test("machines run on however their daemon ends, and the next takes them up", async (t) => {
  await using volant = await start();
  const create = async (
    name: string,
    script: string,
    ...more: readonly string[]
  ) => {
    const { manifest } = await buildAppliance(volant, {
      name,
      script,
      memoryMib: 32,
      ...(name === "web" && {
        manifest: {
          health_check: { endpoint: "/", timeout_ms: 60_000, interval_ms: 200 },
        },
        workload: { base_url: "http://127.0.0.1:80" },
      }),
    });
    await volant.run("vm", "create", name, "--manifest", manifest, ...more);
    return await volant.json("vm", "get", name);
  };
  await create("tick", TICKING, "--network", "none");
  const { expose } = await create(
    "web",
    SERVING,
    ...["--publish", "0:80", "--publish", "0:7"],
  );
  const [pages, echo] = expose.map((port: { host_port: number }) =>
    port.host_port
  );
  const page = async () =>
    await (await fetch(`http://127.0.0.1:${pages}/`)).text();
  await volant.run("vm", "wait", "web", "--for", "healthy");
  const { manifest } = await buildAppliance(volant, {
    name: "obedient",
    script: OBEDIENT,
    memoryMib: 32,
  });
  const ids = new Map<string, number>();
  for (const { name } of ENDINGS) {
    await volant.run(
      ...["vm", "create", name, "--manifest", manifest, "--network", "none"],
      "--no-start",
    );
    ids.set(name, (await volant.json("vm", "get", name)).id);
  }
  using held = await Held.open("127.0.0.1", echo);
  await held.echo();

  for (const { name: way, signal, meanwhile } of WAYS) {
    await t.step(`one that ${way}`, async () => {
      await Promise.all(ENDINGS.map(async ({ name }) => {
        await volant.run("vm", "start", name);
        await until(
          `${name} listens`,
          async () =>
            (await volant.run("vm", "logs", "--tail", "1", name)) === "ready\n",
        );
      }));
      const before = [await seen(volant, "tick"), await seen(volant, "web")];

      await volant.endDaemon(signal);
      await meanwhile?.(volant);
      for (const { name, end } of ENDINGS) {
        await end(volant, ids.get(name) ?? 0);
      }
      await held.echo();
      assert.equal(await page(), "page of web\n");
      await volant.startDaemon();

      // From the first look on, and over several checks.
      for (let looks = 0; looks < 8; looks++) {
        assert.equal((await volant.json("vm", "get", "web")).health, "healthy");
      }
      assert.deepEqual(
        [await seen(volant, "tick"), await seen(volant, "web")],
        before,
      );
      await held.echo();
      assert.equal(await page(), "page of web\n");
      await assertNoGap(volant, "tick");
      for (const { name, status, cause, exit } of ENDINGS) {
        const vm = await volant.json("vm", "get", name);
        assert.deepEqual(
          [vm.status, vm.exit.cause],
          [status, cause],
          `${name}: ${vm.exit.detail}`,
        );
        if (exit === undefined) continue;
        assert.equal(vm.exit.status, exit);
        assert.equal((await volant.volant("vm", "wait", name)).status, exit);
      }
    });
  }

  await t.step("those that were taken up obey", async () => {
    await volant.run("vm", "stop", "--grace", "1s", "tick");
    const { status, exit } = await volant.json("vm", "get", "tick");
    assert.equal(status, "stopped");
    assert.equal(exit.cause, "stopped");
    const { pid } = await volant.json("vm", "get", "web");
    await volant.run("vm", "restart", "--grace", "1s", "web");
    assert.notEqual((await volant.json("vm", "get", "web")).pid, pid);
  });
});

/** What a program of the command line printed, and how it ended. */
async function ended(child: Deno.ChildProcess) {
  await child.stdin.close();
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

Deno.test("clients of a daemon that ends go on with the next, or are told that it went", async (t) => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "ticker",
    script:
      `${TICKING} & while read line; do echo "read $line"; done < /dev/console`,
    memoryMib: 32,
  });
  const ticks = async () =>
    Number(/\d+/.exec(await volant.run("vm", "logs", "--tail", "1", "tick")));

  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    await t.step(`one that is ended by ${signal}`, async () => {
      await volant.run(
        ...["vm", "create", "tick", "--manifest", manifest],
        ...["--network", "none"],
      );
      const logs = ended(volant.spawn("vm", "logs", "-f", "tick"));
      const wait = ended(volant.spawn("vm", "wait", "tick"));
      const viewer = ended(volant.spawn("vm", "console", "tick"));
      const from = await ticks();
      await until("all are served", async () => await ticks() > from + 5);
      await volant.endDaemon(signal);
      // What is typed meanwhile would be lost: of all clients it ends.
      const { code, stderr } = await viewer;
      assert.equal(code, 69, stderr);
      assert.match(stderr, /daemon|connection/);
      assert.match(stderr, /The machine runs on: open it again/);
      await volant.startDaemon();

      const shown = volant.spawn("vm", "console", "tick");
      const writer = shown.stdin.getWriter();
      await writer.write(new TextEncoder().encode(`${signal}\n`));
      writer.releaseLock();
      await until("the guest has read what was typed", async () => {
        const text = await volant.run("vm", "logs", "tick");
        return text.includes(`read ${signal}\n`);
      });
      await volant.run("vm", "stop", "--grace", "1s", "tick");
      const viewed = await ended(shown);
      assert.equal(viewed.code, 0, viewed.stderr);
      assert.match(viewed.stdout, new RegExp(signal), "the console shows it");
      const waited = await wait;
      assert.equal(waited.code, 143, "of a shell ended by SIGTERM");
      const followed = await logs;
      assert.equal(followed.code, 0, followed.stderr);
      for (const client of [waited, followed]) {
        assert.equal(
          client.stderr,
          "The daemon is gone; asking for it again ...\nThe daemon is back\n",
        );
      }
      assert.equal(
        followed.stdout,
        await volant.run("vm", "logs", "tick"),
        "without a gap, and no line twice",
      );
      await volant.run("vm", "delete", "tick");
    });
  }
});

Deno.test("a monitor that is killed takes its VMM along, and the VM has crashed", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "ticker",
    script: TICKING,
    memoryMib: 32,
  });
  await volant.run(
    ...["vm", "create", "a", "--manifest", manifest, "--network", "none"],
  );
  const { id, pid } = await volant.json("vm", "get", "a");
  Deno.kill(monitorPid(volant, id), "SIGKILL");
  await untilGone(pid);
  await volant.volant("vm", "wait", "a");
  const { status, exit } = await volant.json("vm", "get", "a");
  assert.equal(status, "crashed");
  assert.equal(exit.cause, "monitor-lost");
});
