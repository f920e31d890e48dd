import assert from "node:assert/strict";
import { Batches } from "./batches.ts";

Deno.test("jobs that come together, or while others are done, make one batch", async () => {
  const seen: (readonly number[])[] = [];
  const first = Promise.withResolvers<void>();
  const batches = new Batches<number>(async (jobs) => {
    seen.push(jobs);
    if (seen.length === 1) await first.promise;
    return [];
  });
  const early = [batches.run(1), batches.run(2)];
  await Promise.resolve();
  await Promise.resolve();
  const late = [batches.run(3), batches.run(4), batches.run(5)];
  first.resolve();
  await Promise.all([...early, ...late]);
  await batches.run(6);
  assert.deepEqual(seen, [[1, 2], [3, 4, 5], [6]]);
});

Deno.test("one job that fails does not fail the others of its batch", async () => {
  const batches = new Batches<number>((jobs) =>
    Promise.resolve(jobs.map((n) => n === 2 ? new Error("two") : undefined))
  );
  const results = await Promise.allSettled(
    [1, 2, 3].map((n) => batches.run(n)),
  );
  assert.deepEqual(results.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
});

Deno.test("a batch that fails as a whole is told to all, and the next is done", async () => {
  let tries = 0;
  const batches = new Batches<number>(() => {
    tries += 1;
    return tries === 1 ? Promise.reject(new Error("all")) : Promise.resolve([]);
  });
  const results = await Promise.allSettled([batches.run(1), batches.run(2)]);
  assert.ok(results.every(({ status }) => status === "rejected"));
  await batches.run(3);
  assert.equal(tries, 2);
});
