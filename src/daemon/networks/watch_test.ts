import assert from "node:assert/strict";
import { Watch } from "./watch.ts";

Deno.test("a watch looks again after a failure, and not once it is stopped", async () => {
  const third = Promise.withResolvers<void>();
  const errors: unknown[] = [];
  let looks = 0;
  const watch = new Watch(1, () => {
    looks += 1;
    if (looks === 3) {
      watch.stop();
      third.resolve();
    }
    return Promise.reject(new Error(`look ${looks}`));
  }, (error) => errors.push(error));
  watch.start();
  watch.start();
  // A timer that keeps no process alive needs something that does.
  const alive = setTimeout(() => third.reject(new Error("late")), 10_000);
  await third.promise;
  await new Promise((wake) => setTimeout(wake, 20));
  clearTimeout(alive);
  assert.equal(looks, 3);
  assert.equal(errors.length, 3);
});
