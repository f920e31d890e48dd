/**
 * Backups as files: that a damage is found and told, that a restore changes
 * nothing unless it succeeds, and that any tar can read one. The guests are
 * simulated: what is looked at is what the daemon keeps of them.
 */

import assert from "node:assert/strict";
import { backUp, emptyVolant, restoredInto } from "./harness/backups.ts";
import { Netns } from "./harness/netns.ts";
import { run } from "./harness/root_image.ts";
import {
  createWords,
  simulatedManifest,
  startSimulated,
} from "./harness/simulated.ts";
import { filesBelow, TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

const GIB = 1024 ** 3;

/** A daemon with one VM, stopped, that has written to its disk. */
async function withStoppedVm(): Promise<TmpVolant> {
  await using undo = new AsyncDisposableStack();
  const volant = undo.use(await startSimulated());
  const manifest = await simulatedManifest(volant, { withDisk: true });
  await volant.run(...createWords("v", manifest, "put 7"));
  await until("it has written", async () => {
    return (await volant.run("vm", "logs", "v")).includes("put 7");
  });
  await volant.run("vm", "stop", "v");
  undo.move();
  return volant;
}

interface Damage {
  readonly name: string;
  readonly change: (bytes: Uint8Array) => Uint8Array;
  readonly told: RegExp;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ 0x10;
  return changed;
}

function placeOf(bytes: Uint8Array, text: string): number {
  const at = new TextDecoder("latin1").decode(bytes).indexOf(text);
  assert.ok(at >= 0, `"${text}" is in it`);
  return at;
}

const PLAIN_DAMAGES: readonly Damage[] = [
  {
    name: "a byte of a log",
    change: (bytes) => flipped(bytes, placeOf(bytes, "stdout F put 7")),
    told: /in "vms\/1\/logs\/output\.log", byte \d+/,
  },
  {
    name: "a byte of the database",
    change: (bytes) => flipped(bytes, placeOf(bytes, "SQLite format 3") + 4096),
    told: /in "volant\.db", byte \d+/,
  },
  {
    name: "a byte of a name",
    change: (bytes) => flipped(bytes, placeOf(bytes, "vms/1/logs/") + 4),
    told: /damaged one \(at "[^"]+", byte \d+\)/,
  },
  {
    name: "a byte of the contents' list",
    change: (bytes) => flipped(bytes, placeOf(bytes, '"frame_sha256"') + 20),
    told: /not those it was written with/,
  },
  {
    name: "the end cut off",
    change: (bytes) => bytes.subarray(0, bytes.length - 512),
    told: /it ends before its end/,
  },
  {
    name: "the list of contents cut off",
    change: (bytes) => bytes.subarray(0, placeOf(bytes, "contents.json")),
    told: /it was broken off: it has no contents\.json/,
  },
  {
    name: "a half",
    change: (bytes) => bytes.subarray(0, bytes.length / 2),
    told: /it ends in the middle of a file \(at "[^"]+", byte \d+\)/,
  },
  {
    name: "nothing",
    change: () => new Uint8Array(0),
    told: /it was broken off/,
  },
  {
    name: "something behind its end",
    change: (bytes) => {
      const longer = new Uint8Array(bytes.length + 1);
      longer.set(bytes);
      return longer;
    },
    told: /something follows its end/,
  },
];

const COMPRESSED_DAMAGES: readonly Damage[] = [
  {
    name: "a byte of the compressed stream",
    change: (bytes) => flipped(bytes, bytes.length / 2 | 0),
    told: /cannot be decompressed|not those it was written with|damaged/,
  },
  {
    name: "the last byte of the compressed stream",
    change: (bytes) => flipped(bytes, bytes.length - 1),
    told: /cannot be decompressed/,
  },
  {
    name: "the last byte cut off the compressed stream",
    change: (bytes) => bytes.subarray(0, bytes.length - 1),
    told: /it ends in the middle/,
  },
  {
    name: "words behind the compressed stream",
    change: (bytes) => new Uint8Array([...bytes, 1, 2, 3, 4]),
    told: /no Zstandard stream/,
  },
];

Deno.test("a damaged backup is told, with the place, and not restored", async (t) => {
  await using volant = await withStoppedVm();
  const plain = await Deno.readFile(await backUp(volant, "--no-compress"));
  const small = await Deno.readFile(await backUp(volant, "--force"));
  const path = `${volant.folder}/damaged.backup`;
  const target = `${volant.folder}/restored`;
  const damages = [
    ...PLAIN_DAMAGES.map((damage) => ({ damage, bytes: plain })),
    ...COMPRESSED_DAMAGES.map((damage) => ({ damage, bytes: small })),
  ];
  for (const { damage: { name, change, told }, bytes } of damages) {
    await t.step(name, async () => {
      await Deno.writeFile(path, change(bytes));
      for (
        const words of [["verify"], ["restore", "--state-dir", target]]
      ) {
        const { status, stderr } = await volant.volant(
          "backup",
          ...words,
          path,
        );
        assert.equal(status, 65, stderr);
        assert.match(stderr, told);
        assert.match(stderr, /damaged\.backup": /);
      }
      for (const left of [target, `${target}.restoring`]) {
        await assert.rejects(Deno.stat(left), Deno.errors.NotFound);
      }
    });
  }
  await t.step("any byte of many", async () => {
    const unseen: number[] = [];
    for (let at = 11; at < plain.length; at += Math.ceil(plain.length / 25)) {
      await Deno.writeFile(path, flipped(plain, at));
      const { status } = await volant.volant("backup", "verify", path);
      if (status !== 65) unseen.push(at);
    }
    assert.deepEqual(unseen, []);
  });
});

Deno.test("a backup tells what is in it, from a file or a pipe", async () => {
  await using volant = await withStoppedVm();
  const backup = await backUp(volant);
  const text = await volant.run("backup", "verify", backup);
  assert.match(text, /^v +stopped +\d/m);
  const report = await volant.json("backup", "verify", backup);
  assert.deepEqual(
    report.vms.map(({ name }: { name: string }) => name),
    ["v"],
  );
  assert.equal(report.artifacts.length, 1);
  assert.deepEqual(report.missing_artifacts, []);

  // No daemon is needed, and none is asked.
  await volant.endDaemon("SIGTERM");
  const child = volant.spawn("backup", "verify", "--json", "-");
  const input = (await Deno.open(backup)).readable.pipeTo(child.stdin);
  const { code, stdout } = await child.output();
  await input;
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), report);
  await volant.startDaemon();
});

Deno.test("a backup without its artifacts says which must be there", async () => {
  await using volant = await withStoppedVm();
  const backup = await backUp(volant, "--no-artifacts");
  const { artifacts, missing_artifacts: missing } = await volant.json(
    "backup",
    "verify",
    backup,
  );
  assert.deepEqual(missing, artifacts);
  const target = `${volant.folder}/restored`;
  const { status, stderr } = await volant.volant(
    ...["backup", "restore", "--state-dir", target, backup],
  );
  assert.equal(status, 0, stderr);
  assert.ok(stderr.includes(`${missing[0]} was not in the backup`), stderr);
});

Deno.test("a backup does not take the place of a file unless told to", async () => {
  await using volant = await startSimulated();
  const path = `${volant.folder}/volant.backup`;
  await Deno.writeTextFile(path, "precious");
  const { status, stderr } = await volant.volant("backup", "create", path);
  assert.equal(status, 73);
  assert.match(stderr, /it exists/);
  assert.equal(await Deno.readTextFile(path), "precious");
  await volant.run("backup", "create", "--force", path);
  await volant.run("backup", "verify", path);
  const device = await volant.volant(
    "backup",
    "create",
    "--force",
    "/dev/null",
  );
  assert.equal(device.status, 64);
  const nowhere = await volant.volant("backup", "create", `${path}/x`);
  assert.notEqual(nowhere.status, 0);
  assert.deepEqual(
    [...Deno.readDirSync(volant.folder)].map(({ name }) => name).filter((
      name,
    ) => name.endsWith(".new")),
    [],
  );
});

Deno.test("a restore goes only where nothing is", async () => {
  await using volant = await withStoppedVm();
  const backup = await backUp(volant);
  const restore = (target: string) =>
    volant.volant("backup", "restore", "--state-dir", target, backup);

  const running = await restore(volant.stateDir);
  assert.equal(running.status, 73);
  assert.match(
    running.stderr,
    new RegExp(`a daemon \\(pid ${volant.daemonPid}, since .+\\) holds it`),
  );
  await volant.endDaemon("SIGTERM");
  const stopped = await restore(volant.stateDir);
  assert.equal(stopped.status, 73);
  assert.match(stopped.stderr, /it is not empty[^]*mv "/);
  await volant.startDaemon();
  assert.equal((await volant.json("vm", "list")).length, 1);

  const empty = `${volant.folder}/empty`;
  await Deno.mkdir(empty);
  assert.equal((await restore(`${empty}/`)).status, 0);
  assert.equal((await restore(empty)).status, 73);
});

Deno.test("a restore that is killed leaves the place free, and the next one succeeds", async () => {
  await using volant = await withStoppedVm();
  const backup = await backUp(volant, "--no-compress");
  const bytes = await Deno.readFile(backup);
  await using other = await emptyVolant();
  const aside = `${other.stateDir}.restoring`;
  const child = volant.spawn(
    ...["backup", "restore", "--state-dir", other.stateDir, "-"],
  );
  const writer = child.stdin.getWriter();
  // Then it waits for the rest.
  const half = placeOf(bytes, "volant.db");
  await writer.write(bytes.slice(0, half));
  await until(
    "it unpacks",
    () => filesBelow(aside).some((path) => path.endsWith("output.log")),
  );
  const second = await volant.volant(
    ...["backup", "restore", "--state-dir", other.stateDir, backup],
  );
  assert.equal(second.status, 73);
  assert.match(second.stderr, /another restore does/);
  child.kill("SIGKILL");
  await child.status;
  await writer.abort().catch(() => {});
  await child.stdout.cancel();
  await child.stderr.cancel();
  await assert.rejects(Deno.stat(other.stateDir), Deno.errors.NotFound);

  await volant.run("backup", "restore", "--state-dir", other.stateDir, backup);
  await assert.rejects(Deno.stat(aside), Deno.errors.NotFound);
  await other.startDaemon();
  assert.equal((await other.json("vm", "list")).length, 1);
});

Deno.test("GNU tar reads a backup, and extracts what a restore does", async () => {
  await using volant = await withStoppedVm();
  const backup = await backUp(volant);
  const plain = `${volant.folder}/plain.tar`;
  await run("sh", "-c", 'zstd -q -d -c "$0" > "$1"', backup, plain);
  const listed = (await run("tar", "-t", "-f", plain)).trim().split("\n");
  assert.equal(listed[0], "volant-backup.json");
  assert.equal(listed.at(-1), "contents.json");
  const extracted = `${volant.folder}/extracted`;
  await Deno.mkdir(extracted);
  await run("tar", "-x", "-p", "-f", plain, "-C", extracted);
  await using other = await restoredInto(volant, backup);
  const restored = other.stateDir;
  for (const folder of ["vms", "artifacts"]) {
    await run("diff", "-r", `${extracted}/${folder}`, `${restored}/${folder}`);
  }
  await run("cmp", `${extracted}/volant.db`, `${restored}/volant.db`);
  const disk = "vms/1/state.ext4";
  const [a, b] = await Promise.all([
    Deno.stat(`${extracted}/${disk}`),
    Deno.stat(`${other.stateDir}/${disk}`),
  ]);
  assert.deepEqual([a.uid, a.gid, a.mode], [b.uid, b.gid, b.mode]);
});

Deno.test("24 VMs with disks of 10 GiB and their addresses fit into a small backup", async () => {
  await using netns = await Netns.create();
  await using volant = await startSimulated({ netns });
  const manifest = await simulatedManifest(volant, {
    withDisk: true,
    manifest: { resources: { memory_mb: 20, disk_mb: 10240 } },
  });
  const names = Array.from({ length: 24 }, (_, at) => `v${at}`);
  for (const name of names) {
    await volant.run(...createWords(name, manifest, `put 5`));
    await volant.run("vm", "stop", "--kill", name);
  }
  const listed = await volant.json("vm", "list");
  const backup = await backUp(volant);
  const { size } = await Deno.stat(backup);
  assert.ok(size < 64 * 1024 ** 2, `${size} bytes`);
  const { size: whole } = await volant.json("backup", "verify", backup);
  assert.ok(whole > 240 * GIB, `${whole} bytes`);

  await using elsewhere = await Netns.create();
  await using other = await startSimulated({ netns: elsewhere });
  await other.endDaemon("SIGTERM");
  await Deno.remove(other.stateDir, { recursive: true });
  await other.run("backup", "restore", "--state-dir", other.stateDir, backup);
  let allocated = 0;
  for (const path of filesBelow(`${other.stateDir}/vms`)) {
    allocated += ((await Deno.stat(path)).blocks ?? 0) * 512;
  }
  assert.ok(allocated < GIB, `${allocated} bytes on the disk`);
  await other.startDaemon();
  const addresses = (vms: readonly Record<string, unknown>[]) =>
    vms.map(({ name, ip_address }) => `${name} ${ip_address}`);
  const restored = await other.json("vm", "list");
  assert.deepEqual(addresses(restored), addresses(listed));
  // They are held: another VM gets another one.
  await other.run("vm", "create", "late", "--no-start", "--manifest", manifest);
  const { ip_address: late } = await other.json("vm", "get", "late");
  assert.ok(
    !listed.some(({ ip_address }: { ip_address: string }) =>
      ip_address === late
    ),
  );
  await other.run("vm", "start", "v3");
  await until("it finds what it wrote", async () => {
    return (await other.run("vm", "logs", "v3")).includes("kept 5");
  });
});
