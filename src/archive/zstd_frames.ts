/**
 * Zstandard streams of several frames, as `pzstd` and the seekable forms of
 * layers are: the runtime's decoder stops after the first frame and takes a cut
 * one for whole, so the ends of frames are found here (RFC 8878, section 3) and
 * each frame has a decoder of its own.
 *
 * @module
 */

import { createZstdDecompress } from "node:zlib";
import type { ByteSource } from "./byte_source.ts";
import { decoded, DECODER_CHUNK_BYTES } from "./decoder.ts";
import { damaged } from "./problem.ts";

const FRAME_MAGIC = 0xfd2fb528;

/** Of frames that carry notes for programs and no content; the last digit varies. */
const SKIPPABLE_MAGIC = 0x184d2a50;

const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/**
 * Frames that may be there whatever they hold, and bytes of content that each
 * further one has to hold on average: layers with two frames for each file have
 * more, as the header of a file alone is 512 bytes.
 */
const FREE_FRAMES = 1024;
const FRAME_CONTENT_BYTES = 128;

export async function* unzstd(
  source: ByteSource,
  onFrame: () => void = () => {},
): AsyncGenerator<Uint8Array> {
  let contentBytes = 0;
  for (let frames = 1;; frames++) {
    const start = await source.take(4);
    if (start === undefined) return;
    onFrame();
    if (frames > FREE_FRAMES + contentBytes / FRAME_CONTENT_BYTES) {
      throw damaged("its Zstandard stream has more pieces than content");
    }
    const magic = viewOf(start).getUint32(0, true);
    if (((magic ^ SKIPPABLE_MAGIC) >>> 4) === 0) {
      const length = viewOf(await source.need(4)).getUint32(0, true);
      await source.skip(length);
    } else if (magic === FRAME_MAGIC) {
      const decoder = createZstdDecompress({ chunkSize: DECODER_CHUNK_BYTES });
      for await (const chunk of decoded(frame(start, source), decoder)) {
        contentBytes += chunk.length;
        yield chunk;
      }
    } else throw damaged("it is no Zstandard stream, or a damaged one");
  }
}

/** The bytes of one frame, and no more. */
async function* frame(
  magic: Uint8Array,
  source: ByteSource,
): AsyncGenerator<Uint8Array> {
  yield magic.slice();
  const descriptor = (await source.need(1)).slice();
  yield descriptor;
  const flags = descriptor[0] ?? 0;
  const isSingle = (flags & 0x20) !== 0;
  const sizeFlag = flags >> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingle ? 1 : 0) : 1 << sizeFlag;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3] ?? 0;
  const rest = (isSingle ? 0 : 1) + dictionaryBytes + sizeBytes;
  if (rest > 0) yield (await source.need(rest)).slice();
  for (let isLast = false; !isLast;) {
    const header = (await source.need(3)).slice();
    yield header;
    const word = (header[0] ?? 0) | (header[1] ?? 0) << 8 |
      (header[2] ?? 0) << 16;
    isLast = (word & 1) === 1;
    const kind = (word >> 1) & 3;
    if (kind === RESERVED_BLOCK) {
      throw damaged("it is a damaged Zstandard stream");
    }
    const length = kind === RLE_BLOCK ? 1 : word >> 3;
    if (length > 0) yield (await source.need(length)).slice();
  }
  const hasChecksum = (flags & 4) !== 0;
  if (hasChecksum) yield (await source.need(4)).slice();
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
