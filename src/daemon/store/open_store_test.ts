import assert from "node:assert/strict";
import type { VmConfig } from "../../api/vms.ts";
import { logger } from "../../lib/log.ts";
import { Database, migrate, openDatabase, SCHEMA_VERSION } from "./database.ts";
import { openStore } from "./open_store.ts";
import { RollingCopy } from "./rolling_copy.ts";
import { storeFiles } from "./store_files.ts";
import { hasVmRecord, writeVmRecord } from "./vm_record.ts";
import { type NewVm, VmStore } from "./vms.ts";

const log = logger("test");

const web: NewVm = {
  name: "web",
  config: { manifest: { name: "web" } } as VmConfig,
  artifacts: { initramfs: "sha256:aa" },
  lease: { mode: "none", ip: "", mac: "", publish: [] },
  hypervisor: "qemu",
  boot: undefined,
  wanted: "stopped",
};

interface State {
  readonly stateDir: string;
  readonly runtimeDir: string;
}

async function withState(test: (state: State) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "store-" });
  const state = { stateDir: `${folder}/state`, runtimeDir: `${folder}/run` };
  try {
    await Deno.mkdir(state.stateDir);
    await test(state);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function names(state: State): Promise<string[]> {
  const database = await openStore(state, log);
  try {
    return new VmStore(database).list().map(({ name }) => name);
  } finally {
    database.close();
  }
}

function files({ stateDir }: State): string[] {
  return [...Deno.readDirSync(stateDir)].map(({ name }) => name)
    .filter((name) => name.startsWith("volant.db")).sort();
}

Deno.test("openStore() makes a database where there was none", () =>
  withState(async (state) => {
    assert.deepEqual(await names(state), []);
    assert.deepEqual(files(state), ["volant.db"]);
  }));

Deno.test("openStore() opens the databases of all older versions as they are", () =>
  withState(async (state) => {
    const path = storeFiles(state.stateDir).database;
    for (let version = 1; version <= SCHEMA_VERSION; version++) {
      const old = new Database(path);
      migrate(old, path, version);
      old.prepare(
        `INSERT INTO vms (name, status, config, artifacts, lease, hypervisor, created_at, updated_at)
         VALUES ('web', 'stopped', '{"manifest":{}}', '{}', '{"mode":"none"}', 'qemu', '2026-01-01', '2026-01-01')`,
      ).run();
      old.close();
      assert.deepEqual(await names(state), ["web"], `version ${version}`);
      assert.deepEqual(files(state), ["volant.db"], "nothing was moved aside");
      assert.ok(hasVmRecord(state.stateDir, 1), "it has a record from now on");
      await Deno.remove(path);
      await Deno.remove(`${state.stateDir}/vms`, { recursive: true });
    }
  }));

Deno.test("openStore() saves what a damaged database of an older version has", () =>
  withState(async (state) => {
    const path = storeFiles(state.stateDir).database;
    const old = new Database(path);
    migrate(old, path, 4);
    for (const name of ["a", "b"]) {
      old.prepare(
        `INSERT INTO vms (name, status, config, artifacts, lease, hypervisor, created_at, updated_at)
         VALUES (?, 'running', '{"manifest":{}}', '{}', '{"mode":"none"}', 'qemu', '2026-01-01', '2026-01-01')`,
      ).run(name);
    }
    const page = old.prepare(
      "SELECT rootpage FROM sqlite_schema WHERE name = 'leases'",
    ).get()?.["rootpage"];
    old.close();
    {
      using file = await Deno.open(path, { write: true });
      await file.seek((Number(page) - 1) * 4096, Deno.SeekMode.Start);
      await file.write(new Uint8Array(4096).fill(7));
    }
    const database = await openStore(state, log);
    const vms = new VmStore(database).list();
    database.close();
    // A migration says what became of the columns that are new.
    assert.deepEqual(vms.map(({ name, wanted }) => [name, wanted]), [
      ["a", "running"],
      ["b", "running"],
    ]);
  }));

Deno.test("openStore() finishes a replacement wherever it was broken off", async (t) => {
  const whole = async (state: State) => {
    const { database, salvaged } = storeFiles(state.stateDir);
    const store = openDatabase(salvaged);
    await writeVmRecord(state.stateDir, new VmStore(store).insert(web));
    store.close();
    await Deno.writeTextFile(database, "damaged");
    await Deno.writeTextFile(`${database}-wal`, "damaged, too");
  };
  const broken: Record<string, (database: string) => Promise<void>> = {
    "before anything was moved": () => Promise.resolve(),
    "between the -wal and the rest": (database) =>
      Deno.rename(`${database}-wal`, `${database}.damaged-1-wal`),
    "before the new one was there": async (database) => {
      await Deno.rename(`${database}-wal`, `${database}.damaged-1-wal`);
      await Deno.rename(database, `${database}.damaged-1`);
    },
  };
  for (const [name, breakOff] of Object.entries(broken)) {
    await t.step(name, () =>
      withState(async (state) => {
        await whole(state);
        const { database } = storeFiles(state.stateDir);
        await breakOff(database);
        assert.deepEqual(await names(state), ["web"]);
        const aside = files(state).filter((file) => file.includes("damaged"));
        assert.equal(aside.length, 2, aside.join(", "));
      }));
  }
  await t.step(
    "and clears away one that was not whole",
    () =>
      withState(async (state) => {
        const { salvaged, copy } = storeFiles(state.stateDir);
        await Deno.writeTextFile(`${salvaged}.new`, "half");
        await Deno.writeTextFile(`${copy}.new`, "half");
        await names(state);
        assert.deepEqual(files(state), ["volant.db"]);
      }),
  );
});

Deno.test("openStore() brings back a VM of which only the record is left, beside one of its name", () =>
  withState(async (state) => {
    const database = await openStore(state, log);
    const store = new VmStore(database);
    const old = store.insert(web);
    await writeVmRecord(state.stateDir, { ...old, id: old.id + 5 });
    database.close();
    assert.deepEqual(await names(state), ["web", `web-${old.id + 5}`]);
    assert.deepEqual(await names(state), ["web", `web-${old.id + 5}`]);
  }));

Deno.test("openStore() refuses what it must not touch", async (t) => {
  await t.step("a newer schema", () =>
    withState(async (state) => {
      await names(state);
      const database = new Database(storeFiles(state.stateDir).database);
      database.exec("PRAGMA user_version = 99");
      database.close();
      await assert.rejects(openStore(state, log), { code: "not-supported" });
      assert.deepEqual(files(state).filter((f) => f.includes("damaged")), []);
    }));
  await t.step(
    "a newer copy of a damaged one",
    () =>
      withState(async (state) => {
        const { database, copy } = storeFiles(state.stateDir);
        const newer = new Database(copy);
        newer.exec("PRAGMA user_version = 99");
        newer.close();
        await Deno.writeTextFile(database, "damaged".repeat(1000));
        await assert.rejects(openStore(state, log), { code: "not-supported" });
        assert.deepEqual(files(state), ["volant.db", "volant.db.copy"]);
      }),
  );
  await t.step("a folder", () =>
    withState(async (state) => {
      await Deno.mkdir(storeFiles(state.stateDir).database);
      await assert.rejects(openStore(state, log), { code: "invalid-input" });
    }));
});

Deno.test("RollingCopy makes a copy that is its owner's alone, and none where nothing changed", () =>
  withState(async (state) => {
    const { copy } = storeFiles(state.stateDir);
    const database = await openStore(state, log);
    const store = new VmStore(database);
    const make = async () => {
      await using _made = new RollingCopy(database, { path: copy, log });
    };
    await make();
    const first = await Deno.stat(copy);
    assert.equal((first.mode ?? 0) & 0o777, 0o600);
    await make();
    assert.equal((await Deno.stat(copy)).ino, first.ino, "the same still");
    store.insert(web);
    await make();
    database.close();
    const copied = openDatabase(copy);
    assert.equal(new VmStore(copied).get("web").hypervisor, "qemu");
    copied.close();
  }));

Deno.test("RollingCopy keeps the last copy when the database is damaged", () =>
  withState(async (state) => {
    const { copy } = storeFiles(state.stateDir);
    const database = await openStore(state, log);
    const store = new VmStore(database);
    store.insert(web);
    {
      await using _made = new RollingCopy(database, { path: copy, log });
    }
    const before = await Deno.readFile(copy);
    // A value that no daemon writes: SQLite would copy it.
    database.exec("PRAGMA ignore_check_constraints = ON");
    database.exec("UPDATE vms SET config = '{'");
    {
      await using _failing = new RollingCopy(database, { path: copy, log });
    }
    assert.deepEqual(await Deno.readFile(copy), before);
    assert.ok(!files(state).includes("volant.db.copy.new"));
    database.close();
  }));
