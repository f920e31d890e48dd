/**
 * Reads what a monitor sends to a `watch`: blocks of lines, each ended by an
 * empty line.
 *
 * @module
 */

/** No monitor sends more than this for one state. */
const BLOCK_MAX = 16 * 1024;

export async function* readBlocks(
  connection: { read(into: Uint8Array): Promise<number | null> },
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(4096);
  let text = "";
  for (;;) {
    const count = await connection.read(chunk);
    if (count === null) return;
    text += decoder.decode(chunk.subarray(0, count), { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      yield text.slice(0, end + 1);
      text = text.slice(end + 2);
    }
    if (text.length > BLOCK_MAX) {
      throw new Error(`A monitor sent over ${BLOCK_MAX} bytes without an end`);
    }
  }
}
