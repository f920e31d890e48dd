import assert from "node:assert/strict";
import { DATABASE_SCHEMA } from "../../backup/format.ts";
import { SCHEMA_VERSION } from "../store/database.ts";

Deno.test("what reads a backup knows the schema that the daemon writes", () => {
  assert.equal(DATABASE_SCHEMA, SCHEMA_VERSION);
});
