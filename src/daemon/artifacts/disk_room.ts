/**
 * What the artifacts leave free on the disk, which the database is on too: an
 * artifact that would take the last of it is refused, wherever it comes from.
 *
 * @module
 */

import { statfs } from "node:fs/promises";
import { Fault } from "../../lib/fault.ts";

const FREE_BYTES_MIN = 64 * 1024 ** 2;
/** How many bytes are written between two looks at the disk. */
const CHECK_BYTES = 32 * 1024 ** 2;

export class DiskRoom {
  readonly #target: string;
  readonly #what: string;
  #unchecked = 0;

  /** `target` is a file that is written to, `what` a sentence's beginning. */
  constructor(target: string, what: string) {
    this.#target = target;
    this.#what = what;
  }

  /** Throws `disk-full` if there is no room for `bytes` more. */
  async check(bytes = 0): Promise<void> {
    this.#unchecked = 0;
    const { bavail, bsize } = await statfs(this.#target);
    if (bytes <= bavail * bsize - FREE_BYTES_MIN) return;
    throw new Fault(
      "disk-full",
      `${this.#what}: no space is left on the disk${
        bytes === 0 ? "" : ` for ${bytes} bytes`
      }`,
      { hint: "Make room in the state directory and try again" },
    );
  }

  /** To be told of what is written; looks at the disk now and then. */
  async took(bytes: number): Promise<void> {
    this.#unchecked += bytes;
    if (this.#unchecked >= CHECK_BYTES) await this.check();
  }
}
