import assert from "node:assert/strict";
import { Slots } from "./slots.ts";

Deno.test("Slots runs so many jobs at a time, in the order they came", async () => {
  const slots = new Slots(2);
  const started: number[] = [];
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const jobs = gates.map(({ promise }, index) =>
    slots.run(async () => {
      started.push(index);
      await promise;
    })
  );
  assert.deepEqual(started, [0, 1]);
  gates[1]?.resolve();
  await jobs[1];
  await Promise.resolve();
  assert.deepEqual(started, [0, 1, 2]);
  gates.forEach(({ resolve }) => resolve());
  await Promise.all(jobs);
  assert.deepEqual(started, [0, 1, 2, 3]);
});

Deno.test("Slots gives the slot of a job that failed to the next", async () => {
  const slots = new Slots(1);
  const failed = slots.run(() => Promise.reject(new Error("no")));
  const next = slots.run(() => Promise.resolve("yes"));
  await assert.rejects(failed, /no/);
  assert.equal(await next, "yes");
});
