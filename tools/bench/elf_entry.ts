/**
 * Where a static program starts, and the first bytes that stand there, by which
 * it is told from another program linked at the same address.
 */

const BYTES = 16;
const PT_LOAD = 1;

export async function elfEntry(
  path: string,
): Promise<{ readonly entry: bigint; readonly bytes: string }> {
  const file = await Deno.readFile(path);
  const view = new DataView(file.buffer);
  const entry = view.getBigUint64(24, true);
  const offset = Number(view.getBigUint64(32, true));
  const size = view.getUint16(54, true);
  for (let index = 0; index < view.getUint16(56, true); index++) {
    const at = offset + index * size;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const start = view.getBigUint64(at + 16, true);
    const length = view.getBigUint64(at + 32, true);
    if (entry < start || entry >= start + length) continue;
    const from = Number(view.getBigUint64(at + 8, true) + entry - start);
    return { entry, bytes: file.subarray(from, from + BYTES).toHex() };
  }
  throw new Error(`"${path}" has no entry point in what it loads`);
}
