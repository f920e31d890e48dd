import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import { Output, processSink, type Sink } from "./output.ts";

function collector(): Sink & { text(): string } {
  const chunks: Uint8Array[] = [];
  return {
    isTerminal: true,
    write: (bytes) => void chunks.push(bytes.slice()),
    text: () => chunks.map((each) => new TextDecoder().decode(each)).join(""),
  };
}

Deno.test("fault() takes escape sequences out of what an image has named", () => {
  const stderr = collector();
  const out = new Output(collector(), stderr, false);
  out.fault(
    new Fault("invalid-image", 'Cannot use tag "\x1b]0;gone\x07a\x9b2J"', {
      hint: "Name one of \x1b[2Jb",
    }),
    false,
  );
  assert.equal(
    stderr.text(),
    'error: Cannot use tag "a2J"\nhint: Name one of b\n',
  );
});

Deno.test("note() lets no escape sequence through", () => {
  const stderr = collector();
  new Output(collector(), stderr, false).note("image: \x1b[2J\x1b]0;x\x07y");
  assert.equal(stderr.text(), "image: y\n");
});

Deno.test("processSink() waits for a stream that has no room, and loses nothing", () => {
  const taken: number[] = [];
  let tries = 0;
  const sink = processSink({
    isTerminal: () => false,
    writeSync(bytes) {
      if (++tries % 2 === 1) throw new Deno.errors.WouldBlock("no room");
      taken.push(...bytes.subarray(0, 2));
      return Math.min(2, bytes.length);
    },
  });
  sink.write(new Uint8Array([1, 2, 3, 4, 5]));
  assert.deepEqual(taken, [1, 2, 3, 4, 5]);
  assert.equal(tries, 6);
});

Deno.test("processSink() writes no more at once than a pipe takes whole", () => {
  const sizes: number[] = [];
  const sink = processSink({
    isTerminal: () => false,
    writeSync: (bytes) => sizes.push(bytes.length) && bytes.length,
  });
  sink.write(new Uint8Array(10_000));
  assert.deepEqual(sizes, [4096, 4096, 1808]);
});

Deno.test("processSink() hands on what is no lack of room", () => {
  const sink = processSink({
    isTerminal: () => false,
    writeSync() {
      throw new Deno.errors.BrokenPipe("nobody reads");
    },
  });
  assert.throws(() => sink.write(new Uint8Array(1)), Deno.errors.BrokenPipe);
});
