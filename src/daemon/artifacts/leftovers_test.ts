import assert from "node:assert/strict";
import { until } from "../../lib/deadline.ts";
import { Leftovers } from "./leftovers.ts";

Deno.test("Leftovers tries again until a removal succeeds, and fails nobody", async () => {
  const leftovers = new Leftovers(1);
  let tries = 0;
  await leftovers.remove("file", () => {
    tries++;
    return tries < 3 ? Promise.reject(new Error("EROFS")) : Promise.resolve();
  });
  assert.equal(tries, 1);
  await until(() => tries === 3 ? true : undefined, 5000);
  assert.equal(tries, 3);
});
