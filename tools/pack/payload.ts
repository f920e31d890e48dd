/**
 * The payload: the parts of the program and the files it carries, one after
 * the other, and the index that says where each begins.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import type { PackedAsset } from "../../src/lib/self.ts";

/** Where a part of the program lies, counted from the payload's start. */
export interface Range {
  readonly offset: number;
  readonly size: number;
}

export interface PayloadIndex {
  readonly version: string;
  readonly commit?: string;
  /** Where the payload begins in its file. */
  readonly offset: number;
  readonly chunks: Readonly<Record<string, Range>>;
  readonly assets: Readonly<Record<string, PackedAsset>>;
}

export interface Payload {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly chunks: Readonly<Record<string, Range>>;
  readonly assets: Readonly<Record<string, PackedAsset>>;
}

const COMPRESSION_LEVEL = 12;

/** Puts parts and files together; the same input gives the same bytes. */
export function assemblePayload(
  parts: ReadonlyMap<string, string>,
  files: ReadonlyMap<string, Uint8Array>,
): Payload {
  const pieces: Uint8Array[] = [];
  let end = 0;
  const append = (bytes: Uint8Array): Range => {
    const range = { offset: end, size: bytes.length };
    pieces.push(bytes);
    end += bytes.length;
    return range;
  };
  const chunks: Record<string, Range> = {};
  for (const [name, code] of parts) {
    chunks[name] = append(new TextEncoder().encode(code));
  }
  const assets: Record<string, PackedAsset> = {};
  for (const [name, bytes] of files) {
    assets[name] = {
      ...append(compress(bytes)),
      sha256: createHash("sha256").update(bytes).digest("hex"),
      unpackedSize: bytes.length,
    };
  }
  return { bytes: concatenate(pieces), chunks, assets };
}

/** One array of all of them, in order. */
export function concatenate(
  pieces: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function compress(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL },
  });
}
