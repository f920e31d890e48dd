/**
 * Writes an EROFS image without any other program: contents first, as they
 * stream in, then all metadata, then the superblock, so that an image that was
 * not finished is never taken for one.
 *
 *   block 0     superblock
 *   blocks      contents of files, one behind the other
 *   blocks      long directories, long targets of links
 *   blocks      inodes, with attributes, short contents and ends of contents
 *
 * The bytes depend on the calls alone. Memory grows with the number of names,
 * not with contents. Nothing is compressed: a guest would pay for it at each
 * boot. Where the image goes to in the end is the caller's affair.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { storageFault, writeAll } from "../../lib/files.ts";
import { BlockWriter } from "./block_writer.ts";
import { type ErofsData, takeContent } from "./content.ts";
import { BLOCK_BYTES } from "./format.ts";
import { takeInventory } from "./inventory.ts";
import { writeMetadata } from "./metadata.ts";
import { encodeSuperblock } from "./superblock.ts";
import { TailStore } from "./tail_store.ts";
import type { DirectoryNode } from "./tree.ts";

export type { ErofsData } from "./content.ts";

/** Addresses of blocks have 32 bits, and the last is that of a hole. */
const BLOCKS_MAX = 0xffff_ffff;

export interface FinishOptions {
  /** Build time, in seconds; what has this time too needs half the inode. */
  readonly mtime: number;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** Breaks the work off. */
  readonly signal?: AbortSignal;
}

export class ErofsWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #out: BlockWriter;
  readonly #tails: TailStore;
  #busy = false;
  #finished = false;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
    this.#out = new BlockWriter(file, path);
    this.#tails = new TailStore(`${path}.tails`);
  }

  /** Makes the file anew. It stays there, whatever becomes of the writer. */
  static async open(path: string): Promise<ErofsWriter> {
    let file: Deno.FsFile | undefined;
    try {
      file = await Deno.open(path, {
        write: true,
        create: true,
        truncate: true,
      });
      await file.seek(BLOCK_BYTES, Deno.SeekMode.Start);
    } catch (error) {
      file?.close();
      throw storageFault(error, "write", path);
    }
    return new ErofsWriter(path, file);
  }

  /**
   * Appends a file's content, one at a time. The pieces may be used again when
   * the next is asked for. After a failure the writer can only be disposed.
   */
  async writeData(content: AsyncIterable<Uint8Array>): Promise<ErofsData> {
    this.#begin();
    const data = await takeContent(content, {
      out: this.#out,
      tails: this.#tails,
    });
    this.#busy = false;
    return data;
  }

  /** Writes the rest, and sees it onto the disk. */
  async finish(
    root: DirectoryNode<ErofsData>,
    options: FinishOptions,
  ): Promise<{ readonly size: number }> {
    this.#begin();
    this.#finished = true;
    const { signal } = options;
    const inventory = await takeInventory(root, signal);
    const metadata = await writeMetadata(inventory, {
      out: this.#out,
      tails: this.#tails,
      buildTime: options.mtime,
      signal,
    });
    const blocks = this.#out.block;
    if (blocks > BLOCKS_MAX) {
      throw new Fault(
        "invalid-image",
        `Cannot write "${this.#path}": an image has less than 16 TiB`,
        { hint: "Leave out some of its files" },
      );
    }
    const superblock = encodeSuperblock({
      ...metadata,
      inodes: inventory.size,
      blocks,
      mtime: options.mtime,
      uuid: options.uuid,
    });
    await this.#out.flush();
    await this.#end(superblock);
    return { size: blocks * BLOCK_BYTES };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#out[Symbol.asyncDispose]();
    this.#tails[Symbol.dispose]();
    this.#file.close();
  }

  /** What was under way and did not end well leaves the writer busy. */
  #begin(): void {
    if (this.#finished) throw new Error("the image is finished");
    if (this.#busy) {
      throw new Error("another content is under way, or has failed");
    }
    this.#busy = true;
  }

  async #end(superblock: Uint8Array): Promise<void> {
    try {
      await this.#file.seek(0, Deno.SeekMode.Start);
      await writeAll(this.#file, superblock);
      await this.#file.sync();
    } catch (error) {
      throw storageFault(error, "write", this.#path);
    }
  }
}
