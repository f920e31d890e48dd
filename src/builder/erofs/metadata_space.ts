/**
 * Gives every inode its place in the metadata, which is made of blocks of 128
 * slots. What belongs to an inode follows it at once; the end of its content,
 * if it lies there too, may not cross a block's boundary.
 *
 * The best fit among the youngest blocks: gaps behind long ends are filled with
 * what is small, and still the files of one directory stay near each other.
 *
 * @module
 */

import { alignUp, BLOCK_BYTES, SLOT_BYTES, SLOTS_PER_BLOCK } from "./format.ts";

/** Older blocks are not looked at again. */
const YOUNG_BLOCKS = 64;

export class MetadataSpace {
  #blocks = 0;
  /** Blocks with room, by the number of free slots at their end. */
  readonly #open: number[][] = Array.from(
    { length: SLOTS_PER_BLOCK + 1 },
    () => [],
  );

  get blocks(): number {
    return this.#blocks;
  }

  /**
   * The offset for `head` bytes and `tail` bytes after them. The tail must not
   * be longer than INLINE_BYTES_MAX.
   */
  place(head: number, tail: number): number {
    const bytes = head + tail;
    return bytes <= BLOCK_BYTES
      ? this.#placeInBlock(Math.ceil(bytes / SLOT_BYTES))
      : this.#placeAcross(head, tail);
  }

  #placeInBlock(slots: number): number {
    for (let free = slots; free <= SLOTS_PER_BLOCK; free++) {
      const block = this.#takeYoung(free);
      if (block === undefined) continue;
      this.#keep(block, free - slots);
      return block * BLOCK_BYTES + (SLOTS_PER_BLOCK - free) * SLOT_BYTES;
    }
    const block = this.#blocks++;
    this.#keep(block, SLOTS_PER_BLOCK - slots);
    return block * BLOCK_BYTES;
  }

  /** From a new block on, as far from its start as the tail needs it. */
  #placeAcross(head: number, tail: number): number {
    const rest = head % BLOCK_BYTES;
    const skip = rest + tail <= BLOCK_BYTES
      ? 0
      : alignUp(BLOCK_BYTES - rest, SLOT_BYTES);
    const start = this.#blocks * BLOCK_BYTES + skip;
    const end = alignUp(start + head + tail, SLOT_BYTES);
    this.#blocks = Math.ceil(end / BLOCK_BYTES);
    const free = (this.#blocks * BLOCK_BYTES - end) / SLOT_BYTES;
    this.#keep(this.#blocks - 1, free);
    return start;
  }

  #keep(block: number, free: number): void {
    if (free > 0) this.#open[free]?.push(block);
  }

  #takeYoung(free: number): number | undefined {
    const blocks = this.#open[free];
    for (;;) {
      const block = blocks?.pop();
      if (block === undefined || block >= this.#blocks - YOUNG_BLOCKS) {
        return block;
      }
    }
  }
}
