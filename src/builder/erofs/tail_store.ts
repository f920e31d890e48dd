/**
 * Keeps the ends of contents, and whole small ones, until the inodes they will
 * lie behind are written. Memory stays flat: beyond a bound they go to a file
 * that has no name any more, so that nothing is left behind however this ends.
 *
 * @module
 */

import { storageFault } from "../../lib/files.ts";
import { BLOCK_BYTES } from "./format.ts";

const PIECE_BYTES = 1024 * 1024;

const PIECES_IN_MEMORY_MAX = 32;

export class TailStore implements Disposable {
  readonly #path: string;
  readonly #piecesMax: number;
  /** The latest pieces; those before them are in the file. */
  readonly #pieces: Uint8Array[] = [];
  #piecesInFile = 0;
  #usedOfLast = PIECE_BYTES;
  #file: Deno.FsFile | undefined;
  readonly #readBuffer = new Uint8Array(BLOCK_BYTES);

  /** `path` is free to be taken by the file, for a moment. */
  constructor(path: string, piecesMax = PIECES_IN_MEMORY_MAX) {
    this.#path = path;
    this.#piecesMax = piecesMax;
  }

  /** Keeps a copy of at most a block; the position is for `read`. */
  append(bytes: Uint8Array): number {
    if (this.#usedOfLast + bytes.length > PIECE_BYTES) this.#addPiece();
    this.#pieces.at(-1)?.set(bytes, this.#usedOfLast);
    const number = this.#piecesInFile + this.#pieces.length - 1;
    const position = number * PIECE_BYTES + this.#usedOfLast;
    this.#usedOfLast += bytes.length;
    return position;
  }

  /** Valid until the next call. */
  read(position: number, length: number): Uint8Array {
    const number = Math.floor(position / PIECE_BYTES);
    const piece = this.#pieces[number - this.#piecesInFile];
    if (piece !== undefined) {
      const at = position % PIECE_BYTES;
      return piece.subarray(at, at + length);
    }
    const bytes = this.#readBuffer.subarray(0, length);
    const file = this.#file;
    if (file === undefined) throw new RangeError("nothing is kept there");
    file.seekSync(position, Deno.SeekMode.Start);
    for (let done = 0; done < length;) {
      const got = file.readSync(bytes.subarray(done));
      if (got === null) throw new RangeError("nothing is kept there");
      done += got;
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #addPiece(): void {
    if (this.#pieces.length < this.#piecesMax) {
      this.#pieces.push(new Uint8Array(PIECE_BYTES));
    } else {
      const oldest = this.#pieces.shift() ?? new Uint8Array(PIECE_BYTES);
      this.#moveToFile(oldest);
      this.#pieces.push(oldest);
    }
    this.#usedOfLast = 0;
  }

  #moveToFile(piece: Uint8Array): void {
    try {
      this.#file ??= openNameless(this.#path);
      this.#file.seekSync(
        this.#piecesInFile * PIECE_BYTES,
        Deno.SeekMode.Start,
      );
      for (let done = 0; done < piece.length;) {
        done += this.#file.writeSync(piece.subarray(done));
      }
    } catch (error) {
      throw storageFault(error, "write", this.#path);
    }
    this.#piecesInFile += 1;
  }
}

function openNameless(path: string): Deno.FsFile {
  const file = Deno.openSync(path, {
    read: true,
    write: true,
    create: true,
    truncate: true,
    mode: 0o600,
  });
  Deno.removeSync(path);
  return file;
}
