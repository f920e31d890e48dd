/**
 * Runs bytes through a decoder of the runtime, and tells what it says of damaged
 * input from what goes wrong with the input itself.
 *
 * @module
 */

import { Readable, type Transform } from "node:stream";
import { damaged } from "./problem.ts";

/** What decoders give at once: fewer, larger chunks are faster. */
export const DECODER_CHUNK_BYTES = 256 * 1024;

export async function* decoded(
  bytes: AsyncIterable<Uint8Array>,
  decoder: Transform,
): AsyncGenerator<Uint8Array> {
  const input = Readable.from(bytes, { objectMode: false });
  let inputError: unknown;
  input.on("error", (error) => {
    inputError = error;
    decoder.destroy(error);
  });
  try {
    for await (const chunk of input.pipe(decoder)) yield chunk;
  } catch (cause) {
    if (inputError !== undefined) throw inputError;
    throw damaged("it cannot be decompressed", cause);
  } finally {
    input.destroy();
  }
}
