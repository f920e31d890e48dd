/**
 * How much an image may make us hold or write. An image is a stranger's file: a
 * few kilobytes of it can stand for terabytes, or for more names than there is
 * memory. The limits lie far above any image in use.
 *
 * @module
 */

import { ImageProblem } from "./image_problem.ts";

export interface Limits {
  /** Bytes of all layers, unpacked; holes of sparse files count. */
  readonly contentBytes: number;
  /** Entries of all layers, and folders made because none named them. */
  readonly entries: number;
  /** Names and link targets, which are held in memory. */
  readonly nameBytes: number;
  /** Extended attributes, which are held in memory. */
  readonly xattrBytes: number;
  /** Texts that are looked into, each as often as it is read. */
  readonly textBytes: number;
  /** Names followed to put the tree together. */
  readonly steps: number;
  /** Pieces that layers are compressed in, each of which needs a decoder. */
  readonly frames: number;
}

export const LIMITS: Limits = {
  contentBytes: 128 * 1024 ** 3,
  entries: 2_000_000,
  nameBytes: 256 * 1024 ** 2,
  xattrBytes: 64 * 1024 ** 2,
  textBytes: 16 * 1024 ** 2,
  steps: 20_000_000,
  frames: 1_000_000,
};

const NAMES: Readonly<Record<keyof Limits, string>> = {
  contentBytes: "bytes of files",
  entries: "files and folders",
  nameBytes: "bytes of names",
  xattrBytes: "bytes of extended attributes",
  textBytes: "bytes of lists of users",
  steps: "steps on paths",
  frames: "compressed pieces",
};

/** What is left of the limits while one image is read. */
export class Budget {
  readonly #limits: Limits;
  readonly #spent: Record<keyof Limits, number> = {
    contentBytes: 0,
    entries: 0,
    nameBytes: 0,
    xattrBytes: 0,
    textBytes: 0,
    steps: 0,
    frames: 0,
  };

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  spend(what: keyof Limits, amount: number): void {
    this.#spent[what] += amount;
    if (this.#spent[what] <= this.#limits[what]) return;
    throw new ImageProblem(
      "invalid-image",
      `it unpacks to more than ${this.#limits[what]} ${NAMES[what]}`,
      { hint: "Use an image from a source you trust, or make it smaller" },
    );
  }
}
