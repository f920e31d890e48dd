import assert from "node:assert/strict";
import type { LayerProgress } from "../builder/oci/registry/pull_progress.ts";
import { LayerDisplay } from "./layer_display.ts";
import { Output } from "./output.ts";

const MIB = 1024 * 1024;

function layer(
  number: number,
  state: LayerProgress["state"],
  doneBytes = 0,
  count = 3,
): LayerProgress {
  return {
    kind: "layer",
    number,
    count,
    state,
    doneBytes,
    totalBytes: 4 * MIB,
  };
}

function output(
  isTerminal: boolean,
): { readonly out: Output; readonly text: () => string } {
  let text = "";
  const stderr = {
    isTerminal,
    write: (bytes: Uint8Array) =>
      void (text += new TextDecoder().decode(bytes)),
  };
  const stdout = { isTerminal, write: () => {} };
  return { out: new Output(stdout, stderr, false), text: () => text };
}

Deno.test("elsewhere than on a terminal each step is a line", () => {
  const { out, text } = output(false);
  const display = new LayerDisplay(out, "web: ");
  const states = ["there", "waiting", "begun", "moved", "done"] as const;
  for (const state of states) display.show(layer(2, state));
  assert.deepEqual(text().split("\n"), [
    "web: layer 2 of 3: here already",
    "web: layer 2 of 3: waiting for another process that pulls it",
    "web: layer 2 of 3: pulling 4 MiB",
    "web: layer 2 of 3: pulled",
    "",
  ]);
});

Deno.test("a terminal shows a line for each layer, in the place of those before", () => {
  const { out, text } = output(true);
  const display = new LayerDisplay(out, "");
  display.show(layer(1, "there"));
  display.show(layer(3, "begun"));
  display.show(layer(2, "waiting"));
  assert.deepEqual(display.lines(), [
    "  layer 1/3  here already",
    "  layer 2/3  another process pulls it ...",
    "  layer 3/3  [....................]   0 % of 4 MiB",
  ]);
  // deno-lint-ignore no-control-regex -- what the terminal is told
  assert.match(text(), /\x1b\[2A\x1b\[J {2}layer 1\/3/);
  display.show(layer(3, "moved", MIB));
  assert.equal(
    display.lines()[2],
    "  layer 3/3  [#####...............]  25 % of 4 MiB",
  );
  display.show(layer(3, "done", 4 * MIB));
  assert.equal(display.lines()[2], "  layer 3/3  4 MiB");
});

Deno.test("what moves often is drawn at times only", () => {
  const { out, text } = output(true);
  const display = new LayerDisplay(out, "");
  display.show(layer(1, "begun"));
  for (let at = 0; at < 1000; at++) display.show(layer(1, "moved", at));
  assert.ok(text().split("layer 1/3").length < 100);
});

Deno.test("a note between is kept, and the layers go on below it", () => {
  const { out, text } = output(true);
  const display = new LayerDisplay(out, "");
  display.show(layer(1, "begun"));
  out.note("busy; trying again");
  display.show(layer(1, "done"));
  assert.equal(text().split("\x1b").length, 1, "nothing is taken back");
});

Deno.test("of many layers those are shown that are being pulled", () => {
  const { out } = output(true);
  const display = new LayerDisplay(out, "");
  for (let number = 1; number <= 40; number++) {
    display.show(layer(number, number === 7 ? "begun" : "there", 0, 40));
  }
  assert.deepEqual(display.lines(), [
    "  layer  7/40  [....................]   0 % of 4 MiB",
    "39 of 40 layers are here",
  ]);
});
