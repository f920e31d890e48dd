import assert from "node:assert/strict";
import {
  pauseAfter,
  RETRY_RULES,
  retryAfterMs,
  retrying,
  Transient,
} from "./retrying.ts";

const { signal } = new AbortController();
const QUICK = { ...RETRY_RULES, triesMax: 3, pauseMs: 1, pauseMsMax: 2 };

Deno.test("pauses double up to a limit, and differ by up to half", () => {
  const longest = [1, 2, 3, 4].map((tries) =>
    pauseAfter(tries, { retryAfterMs: undefined }, RETRY_RULES, () => 1)
  );
  assert.deepEqual(longest, [500, 1000, 2000, 4000]);
  assert.equal(
    pauseAfter(1, { retryAfterMs: undefined }, RETRY_RULES, () => 0),
    250,
  );
  const patient = { ...RETRY_RULES, triesMax: 100 };
  assert.equal(
    pauseAfter(50, { retryAfterMs: undefined }, patient, () => 1),
    15_000,
  );
});

Deno.test("a wish for a pause is granted, unless it is too long or too late", () => {
  assert.equal(pauseAfter(1, { retryAfterMs: 9_000 }, RETRY_RULES), 9_000);
  assert.equal(pauseAfter(1, { retryAfterMs: 61_000 }, RETRY_RULES), undefined);
  assert.equal(pauseAfter(5, { retryAfterMs: 1 }, RETRY_RULES), undefined);
});

Deno.test("Retry-After is seconds or a date", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(retryAfterMs("120", now), 120_000);
  assert.equal(retryAfterMs("Thu, 01 Jan 2026 00:00:30 GMT", now), 30_000);
  assert.equal(retryAfterMs("Wed, 31 Dec 2025 00:00:30 GMT", now), 0);
  assert.equal(retryAfterMs("soon", now), undefined);
  assert.equal(retryAfterMs(null, now), undefined);
});

Deno.test("only what may go well the next time is tried again", async () => {
  const told: string[] = [];
  const options = {
    rules: QUICK,
    signal,
    onRetry: (reason: string) => void told.push(reason),
  };
  let tries = 0;
  const result = await retrying(() => {
    tries++;
    if (tries < 3) return Promise.reject(new Transient(`busy ${tries}`));
    return Promise.resolve("well");
  }, options);
  assert.equal(result, "well");
  assert.deepEqual(told, ["busy 1", "busy 2"]);
  const other = new Error("other");
  await assert.rejects(
    retrying(() => {
      tries++;
      return Promise.reject(other);
    }, options),
    other,
  );
  assert.equal(tries, 4);
  await assert.rejects(
    retrying(
      () => Promise.reject(new Transient("busy", { tooMany: true })),
      options,
    ),
    { message: "busy; tried 3 times", tooMany: true },
  );
});

Deno.test("a pause ends when it is told to", async () => {
  const stop = new AbortController();
  const waiting = retrying(() => Promise.reject(new Transient("busy")), {
    rules: { ...QUICK, pauseMs: 100_000, pauseMsMax: 100_000 },
    signal: stop.signal,
    onRetry: () => stop.abort(new Error("enough")),
  });
  await assert.rejects(waiting, /enough/);
});
