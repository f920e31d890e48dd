/**
 * A database that is damaged, lost or replaced by an older one while machines
 * run: the next daemon starts, knows every VM, and takes up those that run.
 */

import assert from "node:assert/strict";
import { idleAppliance } from "./harness/appliance.ts";
import { assertTrue } from "./harness/invariants.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";

const PAGE = 4096;

interface Seen {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly pid?: number;
}

interface Damage {
  readonly name: string;
  readonly make: (database: string) => void;
  /** What the log has to say of it. */
  readonly told: RegExp;
}

function overwrite(path: string, at: number, size: number): void {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(crypto.getRandomValues(new Uint8Array(size)));
}

function removeAll(database: string, ends: readonly string[]): void {
  for (const end of ends) {
    try {
      Deno.removeSync(`${database}${end}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

const ALL = ["", "-wal", "-shm"];
const ANEW = /The database was damaged .*made anew/;

const DAMAGES: readonly Damage[] = [
  {
    name: "its first page is garbage",
    make: (database) => {
      // What stands in the -wal would be laid over it.
      removeAll(database, ["-wal", "-shm"]);
      overwrite(database, 0, PAGE);
    },
    told: ANEW,
  },
  {
    name: "the page with all VMs is zeroes",
    make: (database) => {
      removeAll(database, ["-wal", "-shm"]);
      using file = Deno.openSync(database, { write: true });
      file.seekSync(PAGE, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(PAGE));
    },
    told: ANEW,
  },
  {
    name: "it is cut off",
    make: (database) => {
      removeAll(database, ["-wal", "-shm"]);
      Deno.truncateSync(database, 3 * PAGE + 100);
    },
    told: ANEW,
  },
  {
    name: "it is no database",
    make: (database) => {
      removeAll(database, ["-wal", "-shm"]);
      Deno.writeTextFileSync(database, "Nothing of this kind\n".repeat(1000));
    },
    told: ANEW,
  },
  {
    name: "its -wal is garbage",
    make: (database) => {
      const { size } = Deno.statSync(`${database}-wal`);
      overwrite(`${database}-wal`, 0, size);
    },
    told: /Listening/,
  },
  {
    name: "its -wal is lost",
    make: (database) => removeAll(database, ["-wal"]),
    told: /Listening/,
  },
  {
    name: "it is gone",
    make: (database) => removeAll(database, ALL),
    told: /from its copy \(.*VM running/,
  },
  {
    name: "it and its copy are gone",
    make: (database) => removeAll(database, [...ALL, ".copy"]),
    told: /from the records of VMs \(.*VM running/,
  },
  {
    name: "it is empty",
    make: (database) => {
      removeAll(database, ["-wal", "-shm"]);
      Deno.truncateSync(database, 0);
    },
    told: ANEW,
  },
];

/** What a user knows of the VMs. */
function known(vms: readonly Seen[]): unknown[] {
  return vms.map(({ id, name, status, pid }) => ({ id, name, status, pid }));
}

async function logOf(volant: TmpVolant, from = 0): Promise<string> {
  const log = await Deno.readTextFile(`${volant.folder}/daemon.log`);
  return log.slice(from);
}

Deno.test("no VM is lost with the database, and machines run on", async (t) => {
  await using volant = await TmpVolant.start({
    env: { VOLANT_HYPERVISOR: "simulated" },
  });
  const { manifest } = await idleAppliance(volant);
  const create = ["--manifest", manifest, "--network", "none"];
  await volant.run("vm", "create", "running", ...create);
  await volant.run("vm", "create", "stopped", ...create);
  await volant.run("vm", "stop", "--kill", "stopped");
  const database = `${volant.stateDir}/volant.db`;
  const before: Seen[] = await volant.json("vm", "list");
  assert.deepEqual(before.map(({ status }) => status), ["running", "stopped"]);

  for (const { name, make, told } of DAMAGES) {
    await t.step(name, async () => {
      // Makes a copy; then there are changes that it does not have.
      await volant.endDaemon("SIGTERM");
      await volant.startDaemon();
      await volant.run("vm", "create", "new", ...create, "--no-start");
      await volant.run("vm", "delete", "new");
      await volant.endDaemon("SIGKILL");
      const { length } = await logOf(volant);
      make(database);
      await volant.startDaemon();
      const vms: Seen[] = await volant.json("vm", "list");
      assert.deepEqual(known(vms), known(before), await logOf(volant, length));
      await assertTrue(volant, name);
      assert.match(await logOf(volant, length), told);
    });
  }

  await t.step("a VM made after a copy is back from its record", async () => {
    await volant.endDaemon("SIGTERM");
    await volant.startDaemon();
    await volant.run("vm", "create", "late", ...create);
    const with_late: Seen[] = await volant.json("vm", "list");
    await volant.endDaemon("SIGKILL");
    overwrite(database, 0, PAGE);
    removeAll(database, ["-wal", "-shm"]);
    await volant.startDaemon();
    assert.deepEqual(known(await volant.json("vm", "list")), known(with_late));
    await assertTrue(volant, "a late VM");
    await volant.run("vm", "delete", "--force", "late");
  });

  await t.step("what was deleted after a copy stays deleted", async () => {
    await volant.run("vm", "create", "old", ...create);
    await volant.endDaemon("SIGTERM");
    await volant.startDaemon();
    const { id } = await volant.json("vm", "get", "old");
    await volant.run("vm", "delete", "--force", "old");
    await volant.endDaemon("SIGKILL");
    overwrite(database, 0, PAGE);
    removeAll(database, ["-wal", "-shm"]);
    await volant.startDaemon();
    assert.deepEqual(known(await volant.json("vm", "list")), known(before));
    await volant.run("vm", "create", "next", ...create);
    const next = await volant.json("vm", "get", "next");
    assert.ok(next.id > id, "an id is not given twice");
    await assertTrue(volant, "a deleted VM");
    await volant.run("vm", "delete", "--force", "next");
  });

  for (const step of ["written", "whole", "moved-aside", "replaced"]) {
    await t.step(
      `a daemon killed at salvage:${step} loses nothing`,
      async () => {
        await volant.endDaemon("SIGKILL");
        removeAll(database, ["-wal", "-shm"]);
        overwrite(database, PAGE, PAGE);
        await assert.rejects(
          volant.startDaemon({ VOLANT_KILL_AT: `salvage:${step}` }),
        );
        await volant.startDaemon();
        assert.deepEqual(known(await volant.json("vm", "list")), known(before));
        await assertTrue(volant, `killed at salvage:${step}`);
      },
    );
  }

  await t.step("nothing that was damaged is thrown away", () => {
    const aside = [...Deno.readDirSync(volant.stateDir)]
      .map(({ name }) => name).filter((name) => name.includes(".db.damaged-"));
    assert.ok(aside.length >= 6, aside.join(", "));
    for (const name of aside) {
      const { mode } = Deno.statSync(`${volant.stateDir}/${name}`);
      assert.equal((mode ?? 0) & 0o077, 0, `${name} is its owner's alone`);
    }
  });
});
