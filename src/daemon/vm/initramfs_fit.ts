/**
 * Whether a guest's memory can hold its initramfs while the kernel unpacks it.
 *
 * The archive lies in memory as it is, and a second time as files in a tmpfs
 * that may take half of what the archive leaves (Documentation/filesystems/
 * ramfs-rootfs-initramfs). A guest with less would start on half of its files.
 *
 * @module
 */

const MIB = 1024 * 1024;
/** What the kernel keeps for itself in a small guest. */
const KERNEL_MIB = 16;
/** Smaller ones always fit into what a guest needs anyway. */
const SMALL_BYTES = 8 * MIB;
/** Of an archive that is not compressed (cpio "newc"). */
const CPIO_MAGIC = "070701";

/**
 * The least memory for that initramfs in MiB; undefined where it cannot be
 * told, because the archive is compressed, or small.
 */
export async function leastMemoryMib(
  path: string,
): Promise<number | undefined> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  if (size < SMALL_BYTES) return undefined;
  const start = new Uint8Array(CPIO_MAGIC.length);
  await file.read(start);
  if (new TextDecoder().decode(start) !== CPIO_MAGIC) return undefined;
  return KERNEL_MIB + Math.ceil((3 * size) / MIB);
}
