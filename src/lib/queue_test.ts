import assert from "node:assert/strict";
import { KeyedQueue } from "./queue.ts";

Deno.test("KeyedQueue runs the jobs of one key in order and those of others beside", async () => {
  const queue = new KeyedQueue<string>();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const jobs = [
    queue.run("a", async () => {
      await gate.promise;
      seen.push("a1");
    }),
    queue.run("a", () => Promise.resolve(void seen.push("a2"))),
    queue.run("b", () => {
      seen.push("b1");
      gate.resolve();
      return Promise.resolve();
    }),
  ];
  await Promise.all(jobs);
  assert.deepEqual(seen, ["b1", "a1", "a2"]);
});

Deno.test("KeyedQueue goes on after a job that failed", async () => {
  const queue = new KeyedQueue<string>();
  const failed = queue.run("a", () => Promise.reject(new Error("no")));
  const next = queue.run("a", () => Promise.resolve(2));
  await assert.rejects(failed, /no/);
  assert.equal(await next, 2);
});

Deno.test("KeyedQueue refuses more waiting jobs than it is made for", async () => {
  const queue = new KeyedQueue<string>();
  const gate = Promise.withResolvers<void>();
  const jobs = Array.from(
    { length: 64 },
    () => queue.run("a", () => gate.promise),
  );
  await assert.rejects(queue.run("a", () => gate.promise), {
    code: "wrong-state",
  });
  gate.resolve();
  await Promise.all(jobs);
});
