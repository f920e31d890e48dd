import assert from "node:assert/strict";
import {
  formatAge,
  formatBytes,
  formatMib,
  formatMilliseconds,
  plain,
} from "./format.ts";

Deno.test("sizes are said in the unit that fits", () => {
  assert.equal(formatMib(64), "64 MiB");
  assert.equal(formatMib(1024), "1 GiB");
  assert.equal(formatMib(1536), "1.5 GiB");
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(12_800), "12.5 KiB");
  assert.equal(formatBytes(5 * 1024 ** 4), "5 TiB");
});

Deno.test("formatMilliseconds() keeps three digits", () => {
  assert.equal(formatMilliseconds(8.314), "8.31 ms");
  assert.equal(formatMilliseconds(22.14), "22.1 ms");
  assert.equal(formatMilliseconds(142.4), "142 ms");
  assert.equal(formatMilliseconds(1_504), "1.50 s");
});

Deno.test("formatAge() gives the largest unit, and never a negative one", () => {
  const now = Date.parse("2026-01-02T00:00:00Z");
  assert.equal(formatAge("2026-01-01T23:59:55Z", now), "5s");
  assert.equal(formatAge("2026-01-01T23:57:00Z", now), "3m");
  assert.equal(formatAge("2026-01-01T22:00:00Z", now), "2h");
  assert.equal(formatAge("2025-12-29T00:00:00Z", now), "4d");
  assert.equal(formatAge("2026-01-02T00:00:09Z", now), "0s");
});

Deno.test("plain() leaves nothing that a terminal would obey", () => {
  assert.equal(plain("\x1b[31mred\x1b[0m\ttab"), "red\ttab");
  assert.equal(plain("\x1b]0;title\x07text\x1b]52;c;AAAA\x1b\\."), "text.");
  assert.equal(plain("a\x1bPq#1\x1b\\b\x1b(Bc\x1b"), "abc");
  assert.equal(plain("over\rwritten\x08\x9b31m"), "overwritten31m");
  assert.equal(plain("größe — 漢字"), "größe — 漢字");
});
