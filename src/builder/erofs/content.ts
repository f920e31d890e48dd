/**
 * Takes in one file's content as it streams by: whole blocks go to the image,
 * the end to the tail store, and chunks of zeros nowhere.
 *
 * @module
 */

import type { BlockWriter } from "./block_writer.ts";
import {
  BLOCK_BYTES,
  CHUNK_BYTES,
  HOLE_ADDRESS,
  INLINE_BYTES_MAX,
} from "./format.ts";
import type { TailStore } from "./tail_store.ts";

/** Chunks that follow each other and are all holes, or all not. */
interface Run {
  readonly hole: boolean;
  chunks: number;
}

/** Where a file's content lies. What it is made of is the writer's affair. */
export interface ErofsData {
  readonly size: number;
  /** Of the blocks, which lie behind each other. */
  readonly firstBlock: number;
  /** In the tail store: what is left when the whole blocks are taken off. */
  readonly tail?: number;
  /** Of a file with holes, which has no tail. */
  readonly runs?: readonly Readonly<Run>[];
}

/** Writes `content` from the writer's next block on. */
export async function takeContent(
  content: AsyncIterable<Uint8Array>,
  { out, tails }: { readonly out: BlockWriter; readonly tails: TailStore },
): Promise<ErofsData> {
  const firstBlock = out.block;
  const runs: Run[] = [];
  let size = 0;
  out.mark();
  for await (const piece of content) {
    size += piece.length;
    for (let done = 0; done < piece.length;) {
      const end = Math.min(
        piece.length,
        done + CHUNK_BYTES - out.markedBytes,
      );
      await out.write(piece.subarray(done, end));
      done = end;
      if (out.markedBytes === CHUNK_BYTES) endChunk(out, runs);
    }
  }
  if (runs.some((run) => run.hole)) {
    await out.fillBlock();
    if (out.markedBytes > 0) endChunk(out, runs);
    return { size, firstBlock, runs };
  }
  const rest = size % BLOCK_BYTES;
  if (rest === 0 || rest > INLINE_BYTES_MAX) {
    await out.fillBlock();
    return { size, firstBlock };
  }
  const marked = out.marked;
  const tail = tails.append(marked.subarray(marked.length - rest));
  out.takeBack(rest);
  return { size, firstBlock, tail };
}

/** How many bytes `chunkIndex` gives for a file with holes. */
export function chunkIndexBytes(data: ErofsData): number {
  return data.runs === undefined ? 0 : Math.ceil(data.size / CHUNK_BYTES) * 4;
}

/** The first block of each chunk, as the image has it behind the inode. */
export function* chunkIndex(data: ErofsData): Generator<Uint8Array> {
  let block = data.firstBlock;
  for (const { hole, chunks } of data.runs ?? []) {
    for (let left = chunks; left > 0;) {
      const count = Math.min(left, BLOCK_BYTES);
      const bytes = new Uint8Array(count * 4);
      const view = new DataView(bytes.buffer);
      for (let at = 0; at < bytes.length; at += 4) {
        view.setUint32(at, hole ? HOLE_ADDRESS : block, true);
        if (!hole) block += CHUNK_BYTES / BLOCK_BYTES;
      }
      yield bytes;
      left -= count;
    }
  }
}

/** The marked bytes are a chunk, or the last blocks of a file. */
function endChunk(out: BlockWriter, runs: Run[]): void {
  const hole = isZero(out.marked);
  if (hole) out.takeBack(out.markedBytes);
  out.mark();
  const last = runs.at(-1);
  if (last?.hole === hole) last.chunks += 1;
  else runs.push({ hole, chunks: 1 });
}

/** Of bytes on a boundary of a block, a multiple of 4. */
function isZero(bytes: Uint8Array<ArrayBuffer>): boolean {
  const words = new Int32Array(
    bytes.buffer,
    bytes.byteOffset,
    bytes.length / 4,
  );
  for (let index = 0; index < words.length; index++) {
    if (words[index] !== 0) return false;
  }
  return true;
}
