/**
 * Shows what the builder is at.
 *
 * @module
 */

import type { BuildProgress } from "../builder/build.ts";
import { formatBytes } from "./format.ts";
import { LayerDisplay } from "./layer_display.ts";
import type { Output } from "./output.ts";

/**
 * Steps as lines that begin with `before`; bytes as one line that a terminal
 * sees counting; layers as they are pulled.
 */
export function progressPrinter(
  out: Output,
  before = "",
): (progress: BuildProgress) => void {
  let percentShown = -1;
  const layers = new LayerDisplay(out, before);
  return (progress) => {
    if (progress.kind === "layer") return layers.show(progress);
    if (progress.kind === "step") return out.note(before + progress.line);
    if (!out.stderr.isTerminal) return;
    const { done, total } = progress;
    const percent = Math.floor(done / Math.max(total, 1) * 100);
    if (percent === percentShown) return;
    percentShown = percent;
    out.status(`${percent} % of ${formatBytes(total)}`);
    if (done >= total) out.note("");
  };
}
