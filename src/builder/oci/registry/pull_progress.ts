/**
 * What a pull tells while it works, layer by layer, for whoever shows it.
 *
 * @module
 */

export type PullProgress =
  | { readonly kind: "step"; readonly line: string }
  | LayerProgress;

export interface LayerProgress {
  readonly kind: "layer";
  /** From the lowest, which is 1. */
  readonly number: number;
  readonly count: number;
  /** `waiting`: for another process, which fetches it. */
  readonly state: "there" | "waiting" | "begun" | "moved" | "done";
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Counts the layers of one image. */
export class LayerWatch {
  readonly #progress: (progress: PullProgress) => void;
  readonly #sizes: number[] = [];

  constructor(progress: (progress: PullProgress) => void) {
    this.#progress = progress;
  }

  /** Takes in a layer; all are taken in before one of them is heard of. */
  add(totalBytes: number): number {
    return this.#sizes.push(totalBytes);
  }

  there(layer: number): void {
    this.#tell(layer, "there", this.#sizes[layer - 1] ?? 0);
  }

  /** For another process; without a layer, for what comes before them. */
  waiting(layer: number | undefined): void {
    if (layer === undefined) {
      const line = "waiting for another pull of this image";
      return this.#progress({ kind: "step", line });
    }
    this.#tell(layer, "waiting", 0);
  }

  begun(layer: number): void {
    this.#tell(layer, "begun", 0);
  }

  moved(layer: number, doneBytes: number): void {
    this.#tell(layer, "moved", doneBytes);
  }

  done(layer: number): void {
    this.#tell(layer, "done", this.#sizes[layer - 1] ?? 0);
  }

  retried(reason: string, waitMs: number): void {
    this.#progress({ kind: "step", line: retryLine(reason, waitMs) });
  }

  #tell(
    number: number,
    state: LayerProgress["state"],
    doneBytes: number,
  ): void {
    this.#progress({
      kind: "layer",
      number,
      count: this.#sizes.length,
      state,
      doneBytes,
      totalBytes: this.#sizes[number - 1] ?? 0,
    });
  }
}

export function retryLine(reason: string, waitMs: number): string {
  return `${reason}; trying again in ${(waitMs / 1000).toFixed(1)} s`;
}
