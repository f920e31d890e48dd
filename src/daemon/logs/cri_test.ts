import assert from "node:assert/strict";
import { CriReader } from "./cri.ts";

Deno.test("CriReader joins the parts of a long line under the first one's time", () => {
  const reader = new CriReader();
  assert.equal(reader.read("2026-01-01T00:00:00.1Z stdout P one "), undefined);
  assert.deepEqual(reader.read("2026-01-01T00:00:00.2Z stdout F two"), {
    timestamp: "2026-01-01T00:00:00.1Z",
    stream: "stdout",
    line: "one two",
  });
});

Deno.test("CriReader keeps an empty line and spaces as they are", () => {
  const reader = new CriReader();
  assert.equal(reader.read("t stdout F ")?.line, "");
  assert.equal(reader.read("t stdout F   x ")?.line, "  x ");
});

Deno.test("CriReader hands on what is in no form, and what never ended", () => {
  const reader = new CriReader();
  assert.equal(reader.read("torn")?.line, "torn");
  reader.read("t stdout P half");
  assert.equal(reader.rest()?.line, "half");
  assert.equal(reader.rest(), undefined);
});
