import assert from "node:assert/strict";
import { openDatabase } from "./database.ts";
import { RESTORED_BOOT_ID, Snapshot } from "./snapshot.ts";

Deno.test("a snapshot knows that no machine runs where it is taken to", async () => {
  const folder = await Deno.makeTempDir();
  const database = openDatabase(`${folder}/volant.db`);
  const insert = (name: string, bootId: string, deleting: number) =>
    database.prepare(
      `INSERT INTO vms (name, status, config, artifacts, lease, hypervisor, boot_id, deleting, created_at, updated_at)
       VALUES (?, 'running', '{}', '{"rootfs":"sha256:aa"}', '{}', 'qemu', ?, ?, '', '')`,
    ).run(name, bootId, deleting);
  insert("ran", "a-boot", 0);
  insert("never-ran", "", 0);
  insert("half-deleted", "a-boot", 1);
  try {
    using snapshot = new Snapshot(database, `${folder}/copy.db`);
    insert("later", "a-boot", 0);
    assert.deepEqual(
      snapshot.vms().map(({ name }) => name),
      ["ran", "never-ran"],
    );
    assert.deepEqual(snapshot.artifacts(), ["sha256:aa"]);
    const copy = openDatabase(snapshot.path);
    const rows = copy.prepare("SELECT name, boot_id FROM vms").all();
    copy.close();
    assert.deepEqual(rows.map((row) => ({ ...row })), [
      { name: "ran", boot_id: RESTORED_BOOT_ID },
      { name: "never-ran", boot_id: "" },
    ]);
    snapshot.drop(1);
    assert.deepEqual(snapshot.vms().map(({ id }) => id), [2]);
    const { mode } = await Deno.stat(snapshot.path);
    assert.equal((mode ?? 0) & 0o777, 0o600);
  } finally {
    database.close();
    await Deno.remove(folder, { recursive: true });
  }
});
