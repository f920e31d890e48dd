import assert from "node:assert/strict";
import { criLines, CriReader } from "./cri.ts";
import { LINES_MISSING } from "./log_file.ts";

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

async function textsOf(
  texts: readonly string[],
  stop: AbortSignal = new AbortController().signal,
): Promise<string[]> {
  const batches = ReadableStream.from(texts.map((text) => [text]));
  const lines = await Array.fromAsync(criLines(batches, stop));
  return lines.flat().map(({ line }) => line);
}

Deno.test("criLines() hands out a last part, but not one the daemon's end has cut", async () => {
  const texts = ["t stdout F one", "t stdout P half "];
  assert.deepEqual(await textsOf(texts), ["one", "half "]);
  assert.deepEqual(await textsOf(texts, AbortSignal.abort()), ["one"]);
});

Deno.test("criLines() does not join a part to what follows missing lines", async () => {
  const texts = ["t stdout P half ", LINES_MISSING, "t stdout F two"];
  assert.deepEqual(await textsOf(texts), ["half ", LINES_MISSING, "two"]);
});
