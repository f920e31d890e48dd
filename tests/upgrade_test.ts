/**
 * A new version on the state directory of an older one: the schema is migrated,
 * machines that the older one started run on, and its VMs can be started.
 *
 * `tests/fixtures/upgrade/NNNN.sql` is the database of a daemon whose schema was
 * NNNN, dumped right after it was killed. Paths and the digest of the one
 * artifact were replaced by words; 0002 is how the version after it left a
 * database of 0001 when it was killed between two migrations. Each has the VMs
 *
 *     runs, lost          run, but of `lost` there is no machine any more
 *     pending, published  were never started
 *     stopped, crashed    ended: as asked for, and with status 7
 *     bridged             never started, holds 192.168.127.2 (from 0003 on)
 *     deleting            its deletion had begun (from 0004 on)
 *
 * and, from 0003 on, the plugin `idle`.
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { idleAppliance } from "./harness/appliance.ts";
import { source } from "./harness/built.ts";
import { assertTrue } from "./harness/invariants.ts";
import { monitorPid } from "./harness/machine.ts";
import { alive } from "./harness/monitor.ts";
import { Netns } from "./harness/netns.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";

const FIXTURES = [1, 2, 3, 4] as const;
/** How many writes of a migration the daemon is killed at. */
const KILLS = 15;
const LEASED = "192.168.127.2";

interface Schema {
  readonly version: number;
  /** Of each table, index and trigger, by name. */
  readonly sql: Readonly<Record<string, string>>;
}

function schemaOf(path: string): Schema {
  using database = new DatabaseSync(path);
  const row = database.prepare("PRAGMA user_version").get();
  const all = database.prepare(
    "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name",
  ).all();
  return {
    version: Number(row?.["user_version"]),
    sql: Object.fromEntries(
      all.map(({ name, sql }) => [String(name), String(sql)]),
    ),
  };
}

/** A daemon with a machine of the VM `runs`, and what the fixtures need to know. */
class Upgrade implements AsyncDisposable {
  readonly volant: TmpVolant;
  readonly netns: Netns;
  readonly manifest: string;
  /** Of a database that this version made. */
  readonly newest: Schema;
  readonly #digest: string;

  private constructor(
    volant: TmpVolant,
    netns: Netns,
    manifest: string,
    digest: string,
  ) {
    this.volant = volant;
    this.netns = netns;
    this.manifest = manifest;
    this.newest = schemaOf(`${volant.stateDir}/volant.db`);
    this.#digest = digest;
  }

  static async prepare(): Promise<Upgrade> {
    await using undo = new AsyncDisposableStack();
    const netns = undo.use(await Netns.create());
    const volant = undo.use(await TmpVolant.start({ netns }));
    const { manifest } = await idleAppliance(volant);
    await volant.run(
      ...["vm", "create", "runs", "--manifest", manifest, "--network", "none"],
    );
    const { initramfs } = JSON.parse(await Deno.readTextFile(manifest));
    undo.move();
    return new Upgrade(volant, netns, manifest, initramfs.checksum);
  }

  get #database(): string {
    return `${this.volant.stateDir}/volant.db`;
  }

  /** Of a copy: whoever opens a database may change its files. */
  async schema(): Promise<Schema> {
    const copy = `${this.volant.folder}/copy.db`;
    for (const end of ["", "-wal"]) {
      await Deno.remove(copy + end).catch(() => {});
      await Deno.copyFile(this.#database + end, copy + end).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
    return schemaOf(copy);
  }

  /** Puts the database of an older version in the place of a killed daemon's. */
  async putBack(fixture: number): Promise<void> {
    const { stateDir, folder } = this.volant;
    for (const { name, isFile } of [...Deno.readDirSync(stateDir)]) {
      if (isFile && name !== "lock") await Deno.remove(`${stateDir}/${name}`);
    }
    // An older version wrote nothing but logs and disks into a VM's folder.
    for (const { name: id } of Deno.readDirSync(`${stateDir}/vms`)) {
      for (
        const { name, isFile } of Deno.readDirSync(`${stateDir}/vms/${id}`)
      ) {
        if (isFile) await Deno.remove(`${stateDir}/vms/${id}/${name}`);
      }
    }
    const name = `tests/fixtures/upgrade/${
      String(fixture).padStart(4, "0")
    }.sql`;
    const sql = (await Deno.readTextFile(source(name)))
      .replaceAll("@FOLDER@", folder)
      .replaceAll("@DIGEST@", this.#digest);
    const made = `${folder}/made.db`;
    {
      using database = new DatabaseSync(made, {
        // A dump has its rows in the order of their tables' names.
        enableForeignKeyConstraints: false,
      });
      database.exec("PRAGMA journal_mode = WAL");
      database.exec(sql);
      // As it lies there when a daemon is killed: rows are still in the log.
      for (const end of ["", "-wal"]) {
        await Deno.copyFile(made + end, this.#database + end);
      }
    }
    await Deno.remove(made);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.volant[Symbol.asyncDispose]();
    await this.netns[Symbol.asyncDispose]();
  }
}

// deno-lint-ignore no-explicit-any
async function byName(volant: TmpVolant): Promise<Record<string, any>> {
  const vms: { name: string }[] = await volant.json("vm", "list");
  return Object.fromEntries(vms.map((vm) => [vm.name, vm]));
}

for (const fixture of FIXTURES) {
  Deno.test(`a database of schema ${fixture} is migrated, and its VMs are untouched`, async (t) => {
    await using upgrade = await Upgrade.prepare();
    const { volant, newest } = upgrade;
    const before = await volant.json("vm", "get", "runs");
    const monitor = monitorPid(volant, before.id);
    await volant.endDaemon("SIGKILL");
    await upgrade.putBack(fixture);
    assert.equal((await upgrade.schema()).version, fixture);
    await volant.startDaemon();

    await t.step("its schema is the newest", async () => {
      assert.deepEqual(await upgrade.schema(), newest);
    });
    await t.step("each VM is what it was, and what ran runs", async () => {
      const vms = await byName(volant);
      const statuses = Object.fromEntries(
        Object.values(vms).map(({ name, status }) => [name, status]),
      );
      assert.deepEqual(statuses, {
        runs: "running",
        lost: "crashed",
        pending: "pending",
        stopped: "stopped",
        crashed: "crashed",
        published: "pending",
        ...(fixture >= 3 && { bridged: "pending" }),
      });
      assert.equal(vms["runs"].pid, before.pid);
      assert.equal(monitorPid(volant, before.id), monitor);
      assert.equal(vms["lost"].exit.cause, "monitor-lost");
      assert.equal(vms["stopped"].exit.cause, "stopped");
      assert.equal(vms["crashed"].exit.status, 7);
      assert.equal(vms["published"].expose[0].host_port, 18080);
      assert.equal(vms["bridged"]?.ip_address ?? LEASED, LEASED);
      await assertTrue(volant, `after schema ${fixture}`);
    });
    await t.step("each can be started, also what runs by then", async () => {
      await volant.run("vm", "restart", "--grace", "1s", "runs");
      assert.ok(!alive(before.pid), "the machine before has ended");
      for (const name of ["lost", "pending", "stopped"]) {
        await volant.run("vm", "start", name);
      }
      if (fixture >= 3) await volant.run("vm", "start", "bridged");
      await assertTrue(volant, `started after schema ${fixture}`);
    });
    if (fixture < 3) return;
    await t.step("leases and plugins are held", async () => {
      const { status, stderr } = await volant.volant(
        ...["vm", "create", "other", "--plugin", "idle", "--ip", LEASED],
      );
      assert.notEqual(status, 0);
      assert.match(stderr, /another VM holds it/);
      await volant.run(
        ...["vm", "create", "other", "--plugin", "idle", "--network", "none"],
      );
      assert.equal((await volant.json("vm", "get", "other")).plugin, "idle");
      await volant.run("vm", "delete", "--force", "other");
      await volant.run("plugin", "remove", "idle");
    });
  });
}

/** Kills a daemon at one of its writes to its database. */
class WriteKiller {
  readonly #folder: string;
  readonly #database: string;

  private constructor(volant: TmpVolant) {
    this.#folder = volant.folder;
    this.#database = `${volant.stateDir}/volant.db`;
  }

  static async make(volant: TmpVolant): Promise<WriteKiller> {
    const killer = new WriteKiller(volant);
    const { success, stderr } = await new Deno.Command("gcc", {
      args: [
        ...["-std=c17", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra"],
        ...["-Werror", "-Wpedantic", "-Wconversion", "-o", killer.#library],
        source("tests/fixtures/upgrade/kill_at_write.c"),
      ],
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return killer;
  }

  get #library(): string {
    return `${this.#folder}/kill_at_write.so`;
  }

  get #log(): string {
    return `${this.#folder}/writes`;
  }

  /** For the environment of the daemon; it lives if there are fewer writes. */
  env(at: number): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: this.#library,
      VOLANT_TEST_DATABASE: this.#database,
      VOLANT_TEST_KILL_AT: String(at),
      VOLANT_TEST_COUNT: this.#log,
    };
  }

  /** Writes since this was asked last. */
  async count(): Promise<number> {
    const { size } = await Deno.stat(this.#log);
    await Deno.remove(this.#log);
    return size;
  }
}

Deno.test("a daemon killed in the middle of a migration leaves the old schema or the new one", async (t) => {
  await using upgrade = await Upgrade.prepare();
  const { volant, newest } = upgrade;
  const { pid } = await volant.json("vm", "get", "runs");
  await volant.endDaemon("SIGKILL");
  const killer = await WriteKiller.make(volant);
  const wholes = new Map([[newest.version, newest]]);
  for (const fixture of FIXTURES) {
    await upgrade.putBack(fixture);
    wholes.set(fixture, await upgrade.schema());
  }
  await upgrade.putBack(FIXTURES[0]);
  await volant.startDaemon(killer.env(0));
  const writes = await killer.count();
  await volant.endDaemon("SIGKILL");

  const seen = new Set<number>();
  for (let kill = 1; kill <= KILLS; kill++) {
    const at = Math.ceil(kill * writes / KILLS);
    await t.step(`at write ${at} of about ${writes}`, async () => {
      await upgrade.putBack(FIXTURES[0]);
      const isKilled = await volant.startDaemon(killer.env(at))
        .then(() => volant.endDaemon("SIGKILL"), () => undefined) === undefined;
      assert.ok(isKilled || kill === KILLS, "it was killed");
      const left = await upgrade.schema();
      assert.deepEqual(left, wholes.get(left.version) ?? left, "it is whole");
      wholes.set(left.version, left);
      seen.add(left.version);
      await volant.startDaemon();
      assert.deepEqual(await upgrade.schema(), newest);
      assert.equal((await volant.json("vm", "get", "runs")).pid, pid);
      await assertTrue(volant, `killed at write ${at}`);
      await volant.endDaemon("SIGKILL");
    });
  }
  assert.ok(seen.size > 2, `schemas ${[...seen]} were left`);
});

Deno.test("an older version refuses a newer schema and touches nothing", async () => {
  await using upgrade = await Upgrade.prepare();
  const { volant, newest } = upgrade;
  const { pid } = await volant.json("vm", "get", "runs");
  await volant.endDaemon("SIGTERM");
  const path = `${volant.stateDir}/volant.db`;
  {
    using database = new DatabaseSync(path);
    database.exec(`PRAGMA user_version = ${newest.version + 1}`);
  }
  const before = await Deno.readFile(path);
  await assert.rejects(volant.startDaemon(), ({ message }: Error) => {
    assert.match(message, /^daemon: 64: /);
    assert.match(
      message,
      new RegExp(
        `its schema ${
          newest.version + 1
        } is newer than this program's ${newest.version}`,
      ),
    );
    assert.match(message, /hint: Run the volant that wrote it, or a newer one/);
    return true;
  });
  assert.deepEqual(await Deno.readFile(path), before);
  assert.ok(alive(pid), "the machine runs on");
  {
    using database = new DatabaseSync(path);
    database.exec(`PRAGMA user_version = ${newest.version}`);
  }
  await volant.startDaemon();
  assert.equal((await volant.json("vm", "get", "runs")).pid, pid);
});

Deno.test("of two versions on one state directory the second refuses, and says who holds it", async () => {
  await using volant = await TmpVolant.start();
  const next = `${volant.folder}/next`;
  await Deno.copyFile(volant.executable, next);
  const { code, stderr } = await new Deno.Command(next, {
    args: ["daemon"],
    env: {
      VOLANT_STATE_DIR: volant.stateDir,
      VOLANT_RUNTIME_DIR: `${volant.folder}/other`,
      VOLANT_DEFAULT_NETWORK: "user",
    },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  const said = new TextDecoder().decode(stderr);
  assert.notEqual(code, 0);
  assert.match(said, new RegExp(`\\(pid ${volant.daemonPid}\\b.*\\) holds it`));
  assert.deepEqual(await volant.json("vm", "list"), [], "the first serves on");
});
