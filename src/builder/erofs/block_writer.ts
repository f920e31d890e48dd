/**
 * Writes an image from its second block on, in large pieces: one is filled
 * while the other is on its way to the disk. The latest bytes can be taken
 * back, which is how zeros become holes and ends of files find their inode.
 *
 * @module
 */

import { storageFault, writeAll } from "../../lib/files.ts";
import { BLOCK_BYTES } from "./format.ts";

const BUFFER_BYTES = 1024 * 1024;

export class BlockWriter implements AsyncDisposable {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  #buffer = new Uint8Array(BUFFER_BYTES);
  #spare = new Uint8Array(BUFFER_BYTES);
  /** Bytes of the image before the buffer. */
  #written = BLOCK_BYTES;
  #used = 0;
  /** From here on, bytes of the buffer can be taken back; Infinity: none. */
  #mark = Infinity;
  /** The write under way; what it fails with, if it does, is its value. */
  #underWay: Promise<unknown> = Promise.resolve(undefined);

  /** The file's position must be at its second block. */
  constructor(file: Deno.FsFile, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** The next block; the one before must be full. */
  get block(): number {
    const position = this.#written + this.#used;
    if (position % BLOCK_BYTES !== 0) throw new RangeError("it is not full");
    return position / BLOCK_BYTES;
  }

  /** What was written since `mark`, which must be less than a buffer holds. */
  get marked(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(this.#mark, this.#used);
  }

  get markedBytes(): number {
    return Math.max(0, this.#used - this.#mark);
  }

  /** From now on all is kept in memory, until the next mark. */
  mark(): void {
    this.#mark = this.#used;
  }

  unmark(): void {
    this.#mark = Infinity;
  }

  /** Undoes the latest `count` bytes, which must be marked. */
  takeBack(count: number): void {
    if (count > this.markedBytes) throw new RangeError("they are not marked");
    this.#used -= count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      if (this.#used === BUFFER_BYTES) await this.#send();
      const count = Math.min(bytes.length - done, BUFFER_BYTES - this.#used);
      this.#buffer.set(
        count === bytes.length ? bytes : bytes.subarray(done, done + count),
        this.#used,
      );
      this.#used += count;
      done += count;
    }
  }

  /** Writes `count` zeros. */
  async writeZeros(count: number): Promise<void> {
    for (let left = count; left > 0;) {
      if (this.#used === BUFFER_BYTES) await this.#send();
      const some = Math.min(left, BUFFER_BYTES - this.#used);
      this.#buffer.fill(0, this.#used, this.#used + some);
      this.#used += some;
      left -= some;
    }
  }

  async fillBlock(): Promise<void> {
    const rest = (this.#written + this.#used) % BLOCK_BYTES;
    if (rest > 0) await this.writeZeros(BLOCK_BYTES - rest);
  }

  /** Waits until all is with the kernel. */
  async flush(): Promise<void> {
    this.unmark();
    await this.#send();
    await this.#settle();
  }

  /** Waits for the write under way, well or not, so the file can be closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#underWay;
  }

  /** Sends what is before the mark, and goes on in the other buffer. */
  async #send(): Promise<void> {
    await this.#settle();
    const full = this.#buffer;
    const end = Math.min(this.#mark, this.#used);
    this.#underWay = writeAll(this.#file, full.subarray(0, end))
      .then(() => undefined, (error: unknown) => error);
    this.#spare.set(full.subarray(end, this.#used));
    this.#buffer = this.#spare;
    this.#spare = full;
    this.#written += end;
    this.#used -= end;
    this.#mark -= end;
  }

  async #settle(): Promise<void> {
    const error = await this.#underWay;
    if (error !== undefined) throw storageFault(error, "write", this.#path);
  }
}
