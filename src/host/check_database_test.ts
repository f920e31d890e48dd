import assert from "node:assert/strict";
import { checkDatabase } from "./check_database.ts";

Deno.test("checkDatabase() tells of databases that were damaged, and is else silent", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/volant.db`, "");
    assert.deepEqual(await checkDatabase(folder), []);
    assert.deepEqual(await checkDatabase(`${folder}/nowhere`), []);
    for (const time of ["2026-01-01T000000000Z", "2026-02-01T000000000Z"]) {
      await Deno.writeTextFile(`${folder}/volant.db.damaged-${time}`, "");
      await Deno.writeTextFile(`${folder}/volant.db.damaged-${time}-wal`, "");
    }
    const [check] = await checkDatabase(folder);
    assert.equal(check?.status, "warn");
    assert.match(check?.found ?? "", /^damaged 2 times, last .*2026-02-01/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
