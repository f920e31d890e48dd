/**
 * A disk that turns read-only, is full, fails, or goes away under a daemon: what
 * changes anything is refused with one clear fault, what reads goes on, machines
 * run on, and when the disk is well again all is written down.
 */

import assert from "node:assert/strict";
import { idleAppliance } from "./harness/appliance.ts";
import { built } from "./harness/built.ts";
import { Faults } from "./harness/faults.ts";
import { assertTrue } from "./harness/invariants.ts";
import { type Result, TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

const IO_ERROR = 74;

interface Ground extends AsyncDisposable {
  readonly faults: Faults;
  readonly volant: TmpVolant;
  readonly create: readonly string[];
  readonly manifest: string;
}

/** A VM that runs, one that is stopped, and a plugin. */
async function ground(): Promise<Ground> {
  await using held = new AsyncDisposableStack();
  const faults = held.use(await Faults.make());
  const volant = held.use(
    await TmpVolant.start({
      env: { ...faults.env, VOLANT_HYPERVISOR: "simulated" },
    }),
  );
  const { manifest } = await idleAppliance(volant);
  const create = ["--manifest", manifest, "--network", "none"];
  await volant.run("vm", "create", "running", ...create);
  await volant.run("vm", "create", "stopped", ...create, "--no-start");
  await volant.run("plugin", "install", manifest);
  // Else its files would be left, and not the test's.
  held.defer(async () => {
    faults.clear();
    await volant.run("plugin", "remove", "idle");
  });
  const all = held.move();
  return {
    ...{ faults, volant, create, manifest },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** What changes something, each as a command line. */
function writes({ create, manifest }: Ground): string[][] {
  return [
    ["vm", "create", "new", ...create],
    ["vm", "create", "new", ...create, "--no-start"],
    ["vm", "start", "stopped"],
    ["vm", "restart", "running"],
    ["vm", "delete", "stopped"],
    ["vm", "delete", "--force", "running"],
    ["plugin", "install", manifest],
    ["plugin", "disable", "idle"],
    ["plugin", "remove", "idle"],
  ];
}

function assertRefused(
  { status, stdout, stderr }: Result,
  words: readonly string[],
  why: RegExp,
): void {
  const what = `volant ${words.join(" ")}: ${status} ${stdout}${stderr}`;
  assert.equal(status, IO_ERROR, what);
  assert.match(stderr, why, what);
  assert.equal(stderr.match(/^error: /gm)?.length, 1, what);
  assert.equal(stderr.match(/^hint: /gm)?.length, 1, what);
}

/** What a user sees, all but times. */
async function seen({ volant }: Ground): Promise<unknown> {
  // deno-lint-ignore no-explicit-any
  const vms: any[] = await volant.json("vm", "list");
  return {
    vms: vms.map(({ id, name, status, pid }) => ({ id, name, status, pid })),
    plugins: await volant.json("plugin", "list"),
  };
}

async function assertAllRefused(here: Ground, why: RegExp): Promise<void> {
  const before = await seen(here);
  for (const words of writes(here)) {
    assertRefused(await here.volant.volant(...words), words, why);
    assert.deepEqual(await seen(here), before, words.join(" "));
  }
  // What reads goes on.
  await here.volant.run("vm", "get", "running");
  await here.volant.run("vm", "logs", "running");
  await here.volant.run("system", "info");
}

/** After the disk is well again. */
async function assertWell(here: Ground, what: string): Promise<void> {
  const { volant, create } = here;
  await volant.run("vm", "create", "new", ...create);
  await volant.run("vm", "start", "stopped");
  await volant.run("vm", "stop", "--kill", "stopped");
  await volant.run("vm", "delete", "--force", "new");
  await assertTrue(volant, what);
  await volant.crashDaemon();
  await assertTrue(volant, `${what}, and a new daemon`);
}

const SICK_DISKS = [
  ["readonly", /its file system is read-only/],
  ["full", /no space is left/],
  ["io", /the disk failed|disk I\/O error/],
] as const;

for (const [word, why] of SICK_DISKS) {
  Deno.test(`a disk that is "${word}" under a daemon is one clear fault for all that writes`, async (t) => {
    await using here = await ground();
    const { faults, volant } = here;
    const { pid } = await volant.json("vm", "get", "running");
    faults.set(`${word} ${volant.stateDir}`);
    await t.step(
      "writes are refused, reads go on",
      () => assertAllRefused(here, why),
    );

    await t.step(
      "a machine that ends meanwhile is told to have ended",
      async () => {
        Deno.kill(pid, "SIGKILL");
        await until("it is said to have crashed", async () => {
          const vm = await volant.json("vm", "get", "running");
          return vm.status === "crashed" && vm.exit.cause === "vmm-crashed";
        });
      },
    );

    await t.step("and written down when the disk is well again", async () => {
      faults.clear();
      await until(
        "its run directory is given up",
        async () => !await exists(`${volant.runtimeDir}/vms/1`),
      );
      await volant.crashDaemon();
      const vm = await volant.json("vm", "get", "running");
      assert.equal(vm.exit.cause, "vmm-crashed");
      await volant.run("vm", "start", "running");
      await assertWell(here, word);
    });
  });
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

Deno.test("a machine can be stopped while nothing can be written", async () => {
  await using here = await ground();
  const { faults, volant } = here;
  faults.set(`readonly ${volant.stateDir}`);
  await volant.run("vm", "stop", "--kill", "running");
  assert.equal((await volant.json("vm", "get", "running")).status, "stopped");
  faults.clear();
  await assertTrue(volant, "stopped on a read-only disk");
});

Deno.test("a write that does not reach the disk is not taken for written", async () => {
  await using here = await ground();
  const { faults, volant, create } = here;
  const before = await seen(here);
  faults.set(`sync ${volant.stateDir}`);
  const words = ["vm", "create", "new", ...create];
  const why = /the disk failed|disk I\/O error/;
  assertRefused(await volant.volant(...words), words, why);
  const start = ["vm", "start", "stopped"];
  assertRefused(await volant.volant(...start), start, why);
  assert.deepEqual(await seen(here), before);
  faults.clear();
  // What came as far as the file is written over before long: no later daemon
  // finds it there and takes it for true.
  await until("it is written over", async () => {
    const log = await Deno.readTextFile(`${volant.folder}/daemon.log`);
    return log.includes("database:settled");
  });
  await volant.crashDaemon();
  assert.deepEqual(await seen(here), before);
  await assertWell(here, "fsync failed");
});

Deno.test("a daemon does not start on a sick disk, and says why; machines run on", async (t) => {
  await using here = await ground();
  const { faults, volant } = here;
  const before = await seen(here);
  await volant.endDaemon("SIGTERM");
  for (const [word, why] of SICK_DISKS.slice(0, 1)) {
    await t.step(word, async () => {
      faults.set(`${word} ${volant.stateDir}`);
      const refused = await volant.volant("daemon");
      assertRefused(refused, ["daemon"], why);
      assert.ok(refused.stderr.includes(volant.stateDir), refused.stderr);
    });
  }
  await t.step("a place without locks", async () => {
    faults.set(`nolock ${volant.stateDir}`);
    const { status, stderr } = await volant.volant("daemon");
    assert.equal(status, 64, stderr);
    assert.match(stderr, /Cannot lock ".*": its file system has no locks/);
    assert.match(stderr, /^hint: Set VOLANT_STATE_DIR/m);
  });
  await t.step(
    "a damaged database on a full disk is left as it is",
    async () => {
      const database = `${volant.stateDir}/volant.db`;
      await Deno.writeTextFile(database, "damaged\n".repeat(2000));
      const names = () =>
        [...Deno.readDirSync(volant.stateDir)]
          .map(({ name }) => name).filter((name) =>
            name.startsWith("volant.db")
          )
          .sort();
      const found = names();
      for (const word of ["full", "sync"] as const) {
        faults.set(`${word} ${volant.stateDir}`);
        const { status, stderr } = await volant.volant("daemon");
        assert.equal(status, IO_ERROR, stderr);
        assert.equal((await Deno.stat(database)).size, 16_000);
        assert.deepEqual(names(), found);
      }
    },
  );
  faults.clear();
  await volant.startDaemon();
  assert.deepEqual(await seen(here), before, "and then nothing is lost");
  await assertTrue(volant, "after sick disks");
});

Deno.test("a copy that cannot be made leaves the last one as it was", async () => {
  await using here = await ground();
  const { faults, volant } = here;
  await volant.endDaemon("SIGTERM");
  await volant.startDaemon();
  const copy = `${volant.stateDir}/volant.db.copy`;
  const before = await Deno.readFile(copy);
  await volant.run("vm", "delete", "stopped");
  for (const word of ["full", "readonly", "io"] as const) {
    faults.set(`${word} ${copy}.new`);
    assert.equal(await volant.endDaemon("SIGTERM"), 0);
    assert.ok(!await exists(`${copy}.new`), word);
    assert.deepEqual(await Deno.readFile(copy), before, word);
    faults.clear();
    await volant.startDaemon();
    await volant.endDaemon("SIGKILL");
    await Deno.writeFile(copy, before);
    await volant.startDaemon();
  }
  await volant.endDaemon("SIGTERM");
  assert.notDeepEqual(await Deno.readFile(copy), before);
  assert.equal(((await Deno.stat(copy)).mode ?? 0) & 0o777, 0o600);
  await volant.startDaemon();
});

Deno.test("a state directory that goes away under a daemon is told, and machines run on", async () => {
  await using here = await ground();
  const { volant } = here;
  const before = await seen(here);
  const away = `${volant.folder}/away`;
  await Deno.rename(volant.stateDir, away);
  await assertAllRefused(here, /removed or replaced|disk failed|is gone/);
  // One that was made anew in its place is not taken for it.
  await Deno.mkdir(volant.stateDir);
  await Deno.copyFile(`${away}/volant.db`, `${volant.stateDir}/volant.db`);
  await assertAllRefused(here, /removed or replaced|disk failed|is gone/);
  await Deno.remove(volant.stateDir, { recursive: true });
  await Deno.rename(away, volant.stateDir);
  assert.deepEqual(await seen(here), before);
  await assertWell(here, "the state directory is back");
});

Deno.test("two daemons cannot have one state directory; the second says who has it", async (t) => {
  await using volant = await TmpVolant.start();
  const refused = async (env: Record<string, string> = {}) => {
    const { code, stderr } = await new Deno.Command(built("volant"), {
      args: ["daemon"],
      env: {
        VOLANT_STATE_DIR: volant.stateDir,
        VOLANT_RUNTIME_DIR: volant.runtimeDir,
        ...env,
      },
    }).output();
    assert.equal(code, 73);
    return new TextDecoder().decode(stderr);
  };
  await t.step("by pid, time and command", async () => {
    const said = await refused();
    assert.ok(said.includes(`pid ${volant.daemonPid}, since 2`), said);
    assert.match(said, /as ".*volant daemon --log-level debug"\) holds it/);
  });
  await t.step("also with a runtime directory of its own", async () => {
    const other = `${volant.folder}/other`;
    assert.match(await refused({ VOLANT_RUNTIME_DIR: other }), /state\/lock/);
    await Deno.remove(other, { recursive: true });
  });
  await t.step("also where the lock was removed", async () => {
    await Deno.remove(`${volant.stateDir}/lock`);
    assert.match(await refused(), /run\/lock/);
  });
  await t.step("one of another user is named as such", async () => {
    const { code, stderr } = await new Deno.Command("setpriv", {
      args: [
        ...["--reuid", "65534", "--regid", "65534", "--clear-groups"],
        ...[built("volant"), "daemon"],
      ],
      env: {
        HOME: "/nonexistent",
        VOLANT_STATE_DIR: volant.stateDir,
        VOLANT_RUNTIME_DIR: `${volant.folder}/nobody`,
      },
    }).output();
    const said = new TextDecoder().decode(stderr);
    assert.equal(code, 64, said);
    assert.match(
      said,
      /Cannot \w+ (?:folder )?".*": (?:permission|it belongs)/,
    );
  });
  assert.equal(
    (await volant.json("vm", "list")).length,
    0,
    "the first serves on",
  );
});
