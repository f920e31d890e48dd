import assert from "node:assert/strict";
import { openDatabase, transaction } from "./database.ts";

async function withFolder(test: (folder: string) => Promise<void> | void) {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Database does not write to a file that was removed or replaced", () =>
  withFolder((folder) => {
    const path = `${folder}/volant.db`;
    const database = openDatabase(path);
    const count = "UPDATE changes SET count = count + 1";
    database.prepare(count).run();
    Deno.renameSync(path, `${path}.away`);
    const gone = { code: "disk-failed", message: /removed or replaced/ };
    assert.throws(() => database.prepare(count).run(), gone);
    Deno.writeTextFileSync(path, "another");
    assert.throws(() => transaction(database, () => {}), gone);
    Deno.renameSync(`${path}.away`, path);
    database.prepare(count).run();
    database.close();
  }));

Deno.test("transaction() undoes all of what threw, and tells what that was", () => {
  const database = openDatabase(":memory:");
  const failing = () =>
    transaction(database, () => {
      database.exec("UPDATE changes SET count = 77");
      throw new Error("no");
    });
  assert.throws(failing, /^Error: no$/);
  const count = () => database.prepare("SELECT count FROM changes").get();
  assert.equal(count()?.["count"], 1);
  // What SQLite has ended by itself is not undone once more.
  assert.throws(() =>
    transaction(database, () => {
      database.exec("ROLLBACK");
      throw new Error("no");
    }), /^Error: no$/);
  transaction(database, () => database.exec("UPDATE changes SET count = 5"));
  assert.equal(count()?.["count"], 5);
});

Deno.test("every change of a VM or plugin counts", () => {
  const database = openDatabase(":memory:");
  const count = () =>
    Number(database.prepare("SELECT count FROM changes").get()?.["count"]);
  const before = count();
  database.exec(
    `INSERT INTO plugins VALUES ('p', '1', 1, '{}', '{}', '2026', '2026')`,
  );
  database.exec("UPDATE plugins SET enabled = 0");
  database.exec("DELETE FROM plugins");
  assert.equal(count(), before + 3);
});
