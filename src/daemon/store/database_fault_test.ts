import assert from "node:assert/strict";
import { Fault } from "../../lib/fault.ts";
import { databaseFault } from "./database_fault.ts";

async function withFolder(test: (folder: string) => Promise<void> | void) {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const CODES: Readonly<Record<string, string>> = {
  "database disk image is malformed": "disk-failed",
  "file is not a database": "disk-failed",
  "database or disk is full": "disk-full",
  "disk I/O error": "disk-failed",
};

Deno.test("databaseFault() turns the words of SQLite into faults", () =>
  withFolder((folder) => {
    for (const [text, code] of Object.entries(CODES)) {
      const fault = databaseFault(new Error(text), `${folder}/volant.db`);
      assert.ok(fault instanceof Fault, text);
      assert.equal(fault.code, code, text);
      assert.ok(fault.hint, text);
    }
    assert.deepEqual([...Deno.readDirSync(folder)], [], "no probe is left");
  }));

Deno.test("databaseFault() leaves alone what no disk is to blame for", () => {
  const taken = new Error("UNIQUE constraint failed: vms.name");
  assert.equal(databaseFault(taken, "/nowhere/volant.db"), taken);
});
