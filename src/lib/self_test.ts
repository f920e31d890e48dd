/**
 * Tests of what a process run from source says about itself.
 *
 * @module
 */

import assert from "node:assert/strict";
import { executable, programName, selfCommand, version } from "./self.ts";

Deno.test("run from source there is no executable, and the name is volant", () => {
  assert.equal(executable(), undefined);
  assert.equal(programName(), "volant");
});

Deno.test("version() reads deno.json", () => {
  assert.match(version(), /^\d+\.\d+\.\d+$/);
});

Deno.test("selfCommand() starts the source again with Deno", () => {
  const { path, args } = selfCommand(["vm", "list"]);
  assert.equal(path, Deno.execPath());
  assert.deepEqual(args.slice(0, 2), ["run", "-A"]);
  assert.match(args[2] ?? "", /\/src\/main\.ts$/);
  assert.deepEqual(args.slice(3), ["vm", "list"]);
});
