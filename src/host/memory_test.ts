import assert from "node:assert/strict";
import { memAvailableMib } from "./memory.ts";

Deno.test("memAvailableMib() reads what can be used without swapping", () => {
  const text = "MemTotal: 4096 kB\nMemFree: 1 kB\nMemAvailable:   2049 kB\n";
  assert.equal(memAvailableMib(text), 2);
  assert.equal(memAvailableMib("MemTotal: 4096 kB\n"), 0);
});
