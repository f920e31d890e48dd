import assert from "node:assert/strict";
import { isAlive, statFields } from "./identity.ts";

Deno.test("statFields() is not misled by a program named like the fields", () => {
  const stat =
    "7 (a) S 1 (b)) Z 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1 1";
  assert.deepEqual(statFields(stat), ["Z", 4711]);
});

Deno.test("isAlive() tells a process from another that got its pid", async () => {
  const [, start] = statFields(Deno.readTextFileSync("/proc/self/stat"));
  assert.equal(await isAlive({ pid: Deno.pid, start }), true);
  assert.equal(await isAlive({ pid: Deno.pid, start: start + 1 }), false);
});

Deno.test("isAlive() does not take another program for the one that was meant", async () => {
  const [, start] = statFields(Deno.readTextFileSync("/proc/self/stat"));
  const self = { pid: Deno.pid, start };
  const exe = Deno.readLinkSync("/proc/self/exe");
  assert.equal(await isAlive({ ...self, exe }), true);
  assert.equal(await isAlive({ ...self, exe: `${exe} (deleted)` }), true);
  assert.equal(await isAlive({ ...self, exe: "/usr/bin/qemu" }), false);
});
