/**
 * How an initramfs is compressed: name of the method -> what it does to the
 * stream and to the file's name. All four are known to Volant's kernels.
 *
 * @module
 */

import { Readable } from "node:stream";
import {
  constants,
  createGzip,
  createZstdCompress,
  type Gzip,
  type ZstdCompress,
} from "node:zlib";
import { lz4Legacy } from "./lz4.ts";

export const COMPRESSIONS = ["none", "gzip", "zstd", "lz4"] as const;
export type Compression = typeof COMPRESSIONS[number];

/** What an artifact's name ends in. */
export const COMPRESSION_SUFFIX: Readonly<Record<Compression, string>> = {
  none: ".cpio",
  gzip: ".cpio.gz",
  zstd: ".cpio.zst",
  lz4: ".cpio.lz4",
};

/** 19 takes ten times as long for a tenth less. */
const ZSTD_LEVEL = 9;
const ZSTD_LEVEL_MAX = 19;
const GZIP_LEVEL = 9;

/** The method that a file's name asks for, if it asks for one. */
export function compressionOfName(name: string): Compression | undefined {
  if (name.endsWith(".gz")) return "gzip";
  if (name.endsWith(".zst") || name.endsWith(".zstd")) return "zstd";
  if (name.endsWith(".lz4")) return "lz4";
  return undefined;
}

/**
 * The compressed form of a stream, at a level of the method's own scale where
 * it has one; the next chunk is read when it
 * is asked for.
 */
export function compressed(
  chunks: AsyncIterable<Uint8Array>,
  method: Compression,
  level?: number,
): AsyncIterable<Uint8Array> {
  switch (method) {
    case "none":
      return chunks;
    case "gzip":
      return through(
        chunks,
        createGzip({ level: Math.min(level ?? GZIP_LEVEL, GZIP_LEVEL) }),
      );
    case "zstd":
      return through(
        chunks,
        createZstdCompress({
          params: {
            [constants.ZSTD_c_compressionLevel]: Math.min(
              level ?? ZSTD_LEVEL,
              ZSTD_LEVEL_MAX,
            ),
          },
        }),
      );
    case "lz4":
      return lz4Legacy(chunks);
  }
}

/**
 * Streams keep chunks until they get to them, and ours are valid only until
 * the next: so each is copied.
 */
async function* copies(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield chunk.slice();
}

async function* through(
  chunks: AsyncIterable<Uint8Array>,
  filter: Gzip | ZstdCompress,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(copies(chunks), { objectMode: true });
  source.on("error", (error) => filter.destroy(error));
  source.pipe(filter);
  try {
    for await (const chunk of filter) yield chunk;
  } finally {
    source.destroy();
    filter.destroy();
  }
}
