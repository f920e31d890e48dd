/**
 * Shows the layers of an image as they are pulled: on a terminal a line for each
 * that counts, elsewhere a line for each thing that happens.
 *
 * @module
 */

import type { LayerProgress } from "../builder/oci/registry/pull_progress.ts";
import { formatBytes } from "./format.ts";
import type { Output } from "./output.ts";

/** Of more layers only those are shown that are being pulled. */
const LINES_MAX = 10;
const BAR_CELLS = 20;
/** So often a person can look at it. */
const REDRAW_MS = 100;

export class LayerDisplay {
  readonly #out: Output;
  readonly #before: string;
  readonly #layers = new Map<number, LayerProgress>();
  #drawnMs = -Infinity;

  /** Lines outside of a terminal begin with `before`. */
  constructor(out: Output, before: string) {
    this.#out = out;
    this.#before = before;
  }

  show(layer: LayerProgress): void {
    if (!this.#out.stderr.isTerminal) return this.#say(layer);
    this.#layers.set(layer.number, layer);
    const now = performance.now();
    const isOften = now - this.#drawnMs < REDRAW_MS;
    if (layer.state === "moved" && isOften) return;
    this.#drawnMs = now;
    this.#out.block(this.lines());
  }

  /** What a terminal shows now. */
  lines(): string[] {
    const layers = [...this.#layers.values()]
      .toSorted((a, b) => a.number - b.number);
    const isMany = layers.length > LINES_MAX;
    const shown = layers.filter(({ state }) =>
      !isMany || state === "moved" || state === "begun"
    );
    const lines = shown.map(lineOf);
    const done = layers.filter(({ state }) =>
      state === "done" || state === "there"
    );
    const count = layers[0]?.count ?? 0;
    return isMany
      ? [...lines, `${done.length} of ${count} layers are here`]
      : lines;
  }

  #say({ number, count, state, totalBytes }: LayerProgress): void {
    const said = {
      there: "here already",
      waiting: "waiting for another process that pulls it",
      begun: `pulling ${formatBytes(totalBytes)}`,
      moved: undefined,
      done: "pulled",
    }[state];
    if (said === undefined) return;
    this.#out.note(
      `${this.#before}layer ${number} of ${count}: ${said}`,
    );
  }
}

function lineOf(
  { number, count, state, doneBytes, totalBytes }: LayerProgress,
): string {
  const name = `  layer ${
    String(number).padStart(String(count).length)
  }/${count}`;
  if (state === "there") return `${name}  here already`;
  if (state === "waiting") return `${name}  another process pulls it ...`;
  if (state === "done") return `${name}  ${formatBytes(totalBytes)}`;
  const part = Math.min(1, doneBytes / Math.max(1, totalBytes));
  const filled = Math.floor(part * BAR_CELLS);
  const bar = "#".repeat(filled).padEnd(BAR_CELLS, ".");
  const percent = `${Math.floor(part * 100)} %`.padStart(5);
  return `${name}  [${bar}] ${percent} of ${formatBytes(totalBytes)}`;
}
