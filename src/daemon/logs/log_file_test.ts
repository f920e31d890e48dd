import assert from "node:assert/strict";
import { LINES_MISSING, logLines } from "./log_file.ts";

async function withFolder(test: (path: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await test(`${folder}/output.log`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function linesOf(
  ...args: Parameters<typeof logLines>
): Promise<string[]> {
  return (await Array.fromAsync(logLines(...args))).flat();
}

const all = {
  follow: false,
  ended: () => true,
  signal: new AbortController().signal,
};

Deno.test("logLines() reads rotated files first, oldest first", () =>
  withFolder(async (path) => {
    await Deno.writeTextFile(`${path}.2`, "a\nb\n");
    await Deno.writeTextFile(`${path}.1`, "c\n");
    await Deno.writeTextFile(path, "d\nhalf");
    assert.deepEqual(await linesOf(path, all), [
      "a",
      "b",
      "c",
      "d",
      "half",
    ]);
    const last = await linesOf(path, { ...all, tail: 2 });
    assert.deepEqual(last, ["d", "half"]);
  }));

Deno.test("logLines() of a log that was never written is empty", () =>
  withFolder(async (path) => {
    assert.deepEqual(await linesOf(path, all), []);
  }));

Deno.test("logLines() follows through a rotation and loses no line", () =>
  withFolder(async (path) => {
    let ended = false;
    await Deno.writeTextFile(path, "1\n");
    const seen: string[] = [];
    const options = { follow: true, ended: () => ended, signal: all.signal };
    for await (const lines of logLines(path, options)) {
      seen.push(...lines);
      const line = lines.at(-1);
      if (line === "1") {
        await Deno.writeTextFile(path, "2\n", { append: true });
        await Deno.rename(path, `${path}.1`);
        await Deno.writeTextFile(path, "3\n");
      }
      if (line === "3") {
        await Deno.writeTextFile(path, "4\n", { append: true });
        ended = true;
      }
    }
    assert.deepEqual(seen, ["1", "2", "3", "4"]);
  }));

Deno.test("logLines() follows after the last lines of what was there", () =>
  withFolder(async (path) => {
    let ended = false;
    await Deno.writeTextFile(path, "1\n2\n3\n");
    const seen: string[] = [];
    const options = {
      tail: 1,
      follow: true,
      ended: () => ended,
      signal: all.signal,
    };
    for await (const lines of logLines(path, options)) {
      seen.push(...lines);
      const line = lines.at(-1);
      if (line === "3") {
        await Deno.writeTextFile(path, "4\n5\n", { append: true });
        ended = true;
      }
    }
    assert.deepEqual(seen, ["3", "4", "5"]);
  }));

Deno.test("logLines() ends when its reader goes", () =>
  withFolder(async (path) => {
    const reader = new AbortController();
    const lines = logLines(path, {
      follow: true,
      ended: () => false,
      signal: reader.signal,
    });
    const next = lines.next();
    reader.abort();
    assert.equal((await next).done, true);
  }));

Deno.test("logLines() hands on the lines of a chunk together", () =>
  withFolder(async (path) => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`);
    await Deno.writeTextFile(path, lines.join("\n"));
    const batches = await Array.fromAsync(logLines(path, all));
    assert.deepEqual(batches.flat(), lines);
    assert.ok(batches.length < 20, `${batches.length} batches`);
  }));

Deno.test("logLines() gives exactly the last lines, however many are asked for", () =>
  withFolder(async (path) => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`);
    await Deno.writeTextFile(`${path}.1`, `${lines.join("\n")}\n`);
    await Deno.writeTextFile(path, "end\n");
    const whole = [...lines, "end"];
    for (const tail of [0, 1, 1024, 1025, 9_999, 20_001, 50_000]) {
      assert.deepEqual(
        await linesOf(path, { ...all, tail }),
        whole.slice(Math.max(0, whole.length - tail)),
      );
    }
  }));

/** As the monitor does it: each file one number up, then a new one. */
async function rotate(path: string, keep: number, text: string) {
  for (let number = keep; number >= 1; number--) {
    const from = number === 1 ? path : `${path}.${number - 1}`;
    await Deno.rename(from, `${path}.${number}`).catch(() => undefined);
  }
  await Deno.writeTextFile(path, text);
}

/** What a reader of "1" sees that was away while `happens`, up to "end". */
async function afterBeingAway(
  path: string,
  happens: () => Promise<void>,
): Promise<string[]> {
  let ended = false;
  await Deno.writeTextFile(path, "1\n");
  const seen: string[] = [];
  const options = { follow: true, ended: () => ended, signal: all.signal };
  for await (const lines of logLines(path, options)) {
    if (seen.length === 0) await happens();
    seen.push(...lines);
    if (lines.includes("end")) ended = true;
  }
  return seen;
}

Deno.test("logLines() reads every file that was rotated while its reader was slow", () =>
  withFolder(async (path) => {
    const seen = await afterBeingAway(path, async () => {
      await Deno.writeTextFile(path, "2\n", { append: true });
      for (const line of ["3", "4", "5", "end"]) {
        await rotate(path, 9, `${line}\n`);
      }
    });
    assert.deepEqual(seen, ["1", "2", "3", "4", "5", "end"]);
  }));

Deno.test("logLines() says so where lines were thrown away before they were read", () =>
  withFolder(async (path) => {
    const seen = await afterBeingAway(path, async () => {
      for (const line of ["2", "3", "4", "end"]) {
        await rotate(path, 2, `${line}\n`);
      }
    });
    assert.deepEqual(seen, ["1", LINES_MISSING, "3", "4", "end"]);
  }));
