import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { DATABASE_NAME, DATABASE_SCHEMA } from "./format.ts";
import { restoreBackup } from "./restore.ts";
import {
  backupOf,
  collected,
  type Folder,
  pieces,
  testFolder,
  writeSparse,
} from "./testing.ts";
import { verifyBackup } from "./verify.ts";
import { BackupWriter, type Bytes, NOBODYS } from "./writer.ts";

const ARTIFACT = "sha256:" +
  "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

interface Made {
  readonly schema?: number;
  readonly artifact?: string;
  readonly id?: number;
  readonly database?: (path: string) => Promise<void>;
}

/** A backup of VM 1, which has a disk, boots from the file "hello" and has a mark. */
async function made(
  folder: Folder,
  { schema = DATABASE_SCHEMA, artifact = "hello", id = 1, database }: Made = {},
): Promise<Uint8Array> {
  const vms = `${folder.path}/vms`;
  await Deno.mkdir(`${vms}/1/logs`, { recursive: true });
  await writeSparse(`${vms}/1/state.ext4`, 1024 ** 3, [[512 * 1024, 5]]);
  await Deno.chmod(`${vms}/1/state.ext4`, 0o600);
  await Deno.writeTextFile(`${vms}/1/state.ext4.made`, "");
  const path = `${folder.path}/${DATABASE_NAME}`;
  const made = new DatabaseSync(path);
  made.exec(
    `PRAGMA user_version = ${schema};
     CREATE TABLE vms (id INTEGER, name TEXT, status TEXT, artifacts TEXT);
     CREATE TABLE plugins (name TEXT, artifacts TEXT);
     INSERT INTO vms VALUES (${id}, 'web', 'stopped', '{"rootfs":"${ARTIFACT}"}');
     INSERT INTO plugins VALUES ('web', '{"rootfs":"${ARTIFACT}"}')`,
  );
  made.close();
  await database?.(path);
  return await collected(backupOf(vms, async function* (writer): Bytes {
    const bytes = new TextEncoder().encode(artifact);
    const name = `artifacts/sha256/${ARTIFACT.slice("sha256:".length)}`;
    const open = { ...NOBODYS, mode: 0o700, uid: Deno.uid() ?? 0 };
    yield* writer.directory("artifacts", open);
    yield* writer.directory("artifacts/sha256", open);
    yield* writer.bytes(name, bytes, open);
    yield* writer.file(DATABASE_NAME, path);
  }));
}

const restore = (bytes: Uint8Array, stateDir: string) =>
  restoreBackup(pieces(bytes, 65536), { stateDir, keepsOwners: false });

Deno.test("a backup is restored with its holes, modes and times", async () => {
  await using folder = await testFolder();
  const bytes = await made(folder);
  const target = `${folder.path}/state`;
  const { vms, plugins, artifacts } = await restore(bytes, target);
  assert.deepEqual(vms.map(({ name }) => name), ["web"]);
  assert.deepEqual([plugins, artifacts], [["web"], [ARTIFACT]]);
  const [was, is] = [`${folder.path}/vms/1`, `${target}/vms/1`];
  for (const name of ["state.ext4", "state.ext4.made", "logs"]) {
    const [before, after] = [
      await Deno.stat(`${was}/${name}`),
      await Deno.stat(`${is}/${name}`),
    ];
    assert.equal(after.mode, before.mode, name);
    assert.equal(after.size, before.size, name);
  }
  const disk = await Deno.stat(`${is}/state.ext4`);
  assert.ok((disk.blocks ?? 0) < 64, `${disk.blocks} blocks`);
  using file = await Deno.open(`${is}/state.ext4`);
  await file.seek(512 * 1024 - 1, Deno.SeekMode.Start);
  const around = new Uint8Array(4098);
  for (let done = 0; done < around.length;) {
    done += await file.read(around.subarray(done)) ?? around.length;
  }
  assert.deepEqual([around[0], around[1], around[4096], around[4097]], [
    0,
    5,
    5,
    0,
  ]);
});

Deno.test("a restore that fails leaves nothing, also of one before it", async () => {
  await using folder = await testFolder();
  const bytes = await made(folder);
  const target = `${folder.path}/state`;
  await Deno.mkdir(`${target}.restoring/vms/7`, { recursive: true });
  await assert.rejects(restore(bytes.subarray(0, bytes.length - 512), target), {
    name: "ArchiveProblem",
  });
  for (const path of [target, `${target}.restoring`]) {
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  }
  await restore(bytes, target);
  await assert.rejects(Deno.stat(`${target}/vms/7`), Deno.errors.NotFound);
  await assert.rejects(restore(bytes, target), { code: "already-exists" });
});

const SENSELESS: Readonly<
  Record<string, { readonly made: Made; readonly told: RegExp }>
> = {
  "a database of a newer schema": {
    made: { schema: DATABASE_SCHEMA + 1 },
    told: /has the schema \d+, and this program knows those up to/,
  },
  "an artifact that is another file": {
    made: { artifact: "other" },
    told: /the artifact sha256:2cf24.* in it is another file/,
  },
  "a folder of no VM": {
    made: { id: 2 },
    told: /it holds "vms\/1", which belongs to no VM/,
  },
  "a database that is none": {
    made: { database: (path) => Deno.writeTextFile(path, "x".repeat(8192)) },
    told: /its database cannot be read/,
  },
};

for (const [name, { made: how, told }] of Object.entries(SENSELESS)) {
  Deno.test(`a backup with ${name} is neither good nor restored`, async () => {
    await using folder = await testFolder();
    const bytes = await made(folder, how);
    const problem = { name: "ArchiveProblem", message: told };
    await assert.rejects(verifyBackup(pieces(bytes, 65536)), problem);
    await assert.rejects(restore(bytes, `${folder.path}/state`), problem);
  });
}

Deno.test("a disk that is marked as made must be there", async () => {
  await using folder = await testFolder();
  await Deno.mkdir(`${folder.path}/vms/1`, { recursive: true });
  await made(folder);
  await Deno.remove(`${folder.path}/vms/1/state.ext4`);
  const bytes = await collected(
    backupOf(
      `${folder.path}/vms`,
      (writer: BackupWriter) =>
        writer.file(DATABASE_NAME, `${folder.path}/${DATABASE_NAME}`),
    ),
  );
  await assert.rejects(verifyBackup(pieces(bytes, 65536)), {
    message: /the disk of "vms\/1\/state\.ext4\.made" is not in it/,
  });
});
