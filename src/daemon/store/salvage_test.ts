import assert from "node:assert/strict";
import type { VmConfig } from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { logger } from "../../lib/log.ts";
import { openDatabase } from "./database.ts";
import { openStore } from "./open_store.ts";
import { PluginStore } from "./plugins.ts";
import { storeFiles } from "./store_files.ts";
import { writeVmRecord } from "./vm_record.ts";
import { type NewVm, VmStore } from "./vms.ts";

const PAGE = 4096;
const VMS = 40;
/** Of the VMs, those that the copy does not know yet. */
const NEW_VMS = 5;
const ROUNDS = Number(Deno.env.get("VOLANT_TEST_ROUNDS") ?? 40);
const SEED = Number(Deno.env.get("VOLANT_TEST_SEED") ?? Date.now() % 1e9);

type Random = (below: number) => number;

/** Mulberry32: small, and the same everywhere. */
function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Every page that holds part of a VM's row holds its mark. */
function vm(number: number): NewVm {
  const mark = `mark-${number}-`;
  return {
    name: `vm-${number}`,
    config: {
      manifest: { name: `m${number}`, text: mark.repeat(20 + number * 12) },
    } as unknown as VmConfig,
    artifacts: { initramfs: `sha256:${number}` },
    lease: number % 2 === 0
      ? { mode: "none", ip: "", mac: "", publish: [] }
      : { mode: "bridged", ip: `10.0.0.${number}`, mac: "", publish: [] },
    hypervisor: "qemu",
    boot: undefined,
    wanted: "stopped",
  };
}

interface State {
  readonly stateDir: string;
  readonly runtimeDir: string;
}

async function withState(test: (state: State) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "salvage-" });
  const state = { stateDir: `${folder}/state`, runtimeDir: `${folder}/run` };
  try {
    await Deno.mkdir(state.stateDir);
    await Deno.mkdir(state.runtimeDir);
    await test(state);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A database as a killed daemon leaves it: with a -wal, and a copy that is older. */
async function fill({ stateDir }: State): Promise<void> {
  const made = `${stateDir}/made`;
  await Deno.mkdir(made);
  const database = openDatabase(`${made}/volant.db`);
  const store = new VmStore(database);
  const plugins = new PluginStore(database);
  for (const name of ["caddy", "postgres"]) {
    plugins.put({
      name,
      version: "1",
      enabled: true,
      manifest: { name } as Manifest,
      artifacts: {},
    });
  }
  for (let number = 1; number <= VMS; number++) {
    if (number === VMS - NEW_VMS + 1) {
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      database.copyInto(storeFiles(stateDir).copy);
    }
    await writeVmRecord(stateDir, store.insert(vm(number)));
  }
  for (const end of ["", "-wal", "-shm"]) {
    await Deno.copyFile(
      `${made}/volant.db${end}`,
      `${stateDir}/volant.db${end}`,
    );
  }
  database.close();
  await Deno.remove(made, { recursive: true });
}

async function opened(
  state: State,
): Promise<{ vms: string[]; plugins: string[] }> {
  const database = await openStore(state, logger("test"));
  try {
    const store = new VmStore(database);
    for (const { name, config, lease } of store.list()) {
      assert.equal(typeof config.manifest, "object", name);
      if (lease.mode !== "bridged") continue;
      assert.ok(store.addresses().includes(lease.ip), `${name}: ${lease.ip}`);
    }
    const next = store.insert({ ...vm(0), name: "next" });
    assert.ok(next.id > VMS, `id ${next.id} was given before`);
    store.delete(next);
    return {
      vms: store.list().map(({ name }) => name).sort(),
      plugins: new PluginStore(database).list().map(({ name }) => name),
    };
  } finally {
    database.close();
  }
}

const ALL = Array.from({ length: VMS }, (_, at) => `vm-${at + 1}`).sort();

function rewrite(path: string, change: (bytes: Uint8Array) => Uint8Array) {
  Deno.writeFileSync(path, change(Deno.readFileSync(path)));
}

const DAMAGES: Readonly<
  Record<string, (bytes: Uint8Array, random: Random) => Uint8Array>
> = {
  zeroes: (bytes, random) => {
    const page = random(Math.ceil(bytes.length / PAGE));
    return bytes.fill(0, page * PAGE, (page + 1) * PAGE);
  },
  noise: (bytes, random) => {
    const page = random(Math.ceil(bytes.length / PAGE));
    const end = Math.min((page + 1) * PAGE, bytes.length);
    for (let at = page * PAGE; at < end; at++) bytes[at] = random(256);
    return bytes;
  },
  bits: (bytes, random) => {
    for (let count = 0; count < 20; count++) {
      const at = random(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    }
    return bytes;
  },
  "another page": (bytes, random) => {
    const pages = Math.max(1, Math.floor(bytes.length / PAGE));
    const from = random(pages) * PAGE;
    const page = bytes.slice(from, from + PAGE);
    const to = random(pages) * PAGE;
    bytes.set(page.subarray(0, bytes.length - to), to);
    return bytes;
  },
  header: (bytes, random) => {
    for (let at = 0; at < 100; at++) bytes[at] = random(256);
    return bytes;
  },
  truncated: (bytes, random) => bytes.slice(0, random(bytes.length)),
  "no database": (bytes, random) => bytes.map(() => random(256)),
};

Deno.test(`openStore() loses no VM and no plugin to ${ROUNDS} random damages (VOLANT_TEST_SEED=${SEED})`, async () => {
  await withState(async (whole) => {
    await fill(whole);
    for (let round = 0; round < ROUNDS; round++) {
      await damage(whole, SEED + round);
    }
  });
});

async function damage(whole: State, seed: number): Promise<void> {
  const random = randomFrom(seed);
  await withState(async (state) => {
    await copyFolder(whole.stateDir, state.stateDir);
    const done: string[] = [];
    const kinds = Object.entries(DAMAGES);
    for (let count = random(3); count >= 0; count--) {
      const end = random(3) === 0 ? "-wal" : "";
      const [name, damage] = kinds[random(kinds.length)] ?? [];
      if (damage === undefined) continue;
      done.push(`${name}${end}`);
      rewrite(`${state.stateDir}/volant.db${end}`, (b) => damage(b, random));
    }
    if (random(4) === 0) {
      done.push("-wal removed");
      await Deno.remove(`${state.stateDir}/volant.db-wal`);
    }
    const what = `seed ${seed}: ${done.join(", ")}`;
    const found = await opened(state).catch((error: unknown) => {
      assert.ok(error instanceof Fault, `${what}: ${error}`);
      throw error;
    });
    assert.deepEqual(found.vms, ALL, what);
    assert.ok(
      ["caddy", "postgres"].every((p) => found.plugins.includes(p)),
      what,
    );
    // And once more: what was made anew is sound.
    assert.deepEqual((await opened(state)).vms, ALL, what);
  });
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    const [source, target] = [`${from}/${name}`, `${to}/${name}`];
    if (isDirectory) await copyFolder(source, target);
    else await Deno.copyFile(source, target);
  }
}

Deno.test("a damaged page costs only its rows, where there is neither copy nor record", async (t) => {
  await withState(async (made) => {
    await fill(made);
    const database = openDatabase(storeFiles(made.stateDir).database);
    database.close();
    const whole = await Deno.readFile(`${made.stateDir}/volant.db`);
    const text = (page: number) =>
      new TextDecoder("latin1").decode(
        whole.subarray(page * PAGE, (page + 1) * PAGE),
      );
    for (let page = 1; page < whole.length / PAGE; page++) {
      // Of a table: on its inner pages all rows depend.
      if (whole[page * PAGE] === 0x05) continue;
      const marks = [...text(page).matchAll(/mark-(\d+)-/g)]
        .map(([, number]) => `vm-${number}`);
      await t.step(`page ${page}`, () =>
        withState(async (state) => {
          const bytes = whole.slice().fill(0, page * PAGE, (page + 1) * PAGE);
          await Deno.writeFile(`${state.stateDir}/volant.db`, bytes);
          const { vms } = await opened(state);
          const gone = ALL.filter((name) => !vms.includes(name));
          assert.ok(
            gone.every((name) => marks.includes(name)),
            `lost ${gone}, damaged ${marks}`,
          );
        }));
    }
  });
});

Deno.test("no table is there that a salvage would leave behind", () => {
  const database = openDatabase(":memory:");
  const tables = database.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
  ).all().map(({ name }) => name);
  // The last three are made anew out of the others.
  const known = ["vms", "plugins", "changes", "leases", "sqlite_sequence"];
  assert.deepEqual(tables, known.sort());
});
