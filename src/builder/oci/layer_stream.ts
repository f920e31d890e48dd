/**
 * From a layer's blob to its plain tar: unpacked by what its first bytes say,
 * and checked against the `diff_id` the image's config names.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { createGunzip } from "node:zlib";
import { ByteSource } from "../../archive/byte_source.ts";
import { decoded, DECODER_CHUNK_BYTES } from "../../archive/decoder.ts";
import { damaged, mismatch } from "./image_problem.ts";
import type { Budget } from "./limits.ts";
import { unzstd } from "../../archive/zstd_frames.ts";

const DIGEST_REGEXP =
  /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;

/** Whether a text is a digest of a kind that can be checked. */
export function isCheckable(digest: string): boolean {
  return DIGEST_REGEXP.test(digest);
}

/** A hash of the algorithm a digest names. */
export function hashFor(digest: string): Hash {
  if (!isCheckable(digest)) {
    throw damaged(`it names the digest ${JSON.stringify(digest.slice(0, 80))}`);
  }
  return createHash(digest.slice(0, digest.indexOf(":")));
}

/** Checks at its end that the bytes are those of the digest. */
export async function* verified(
  chunks: AsyncIterable<Uint8Array>,
  digest: string,
  problem: string,
): AsyncGenerator<Uint8Array> {
  const hash = hashFor(digest);
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  const algorithm = digest.slice(0, digest.indexOf(":"));
  const actual = `${algorithm}:${hash.digest("hex")}`;
  if (actual !== digest) {
    throw mismatch(`${problem} ${digest}, but its bytes give ${actual}`);
  }
}

/** The plain tar of a layer, counted against the budget and checked. */
export async function* layerTar(
  blob: AsyncIterable<Uint8Array>,
  diffId: string,
  budget: Budget,
): AsyncGenerator<Uint8Array> {
  const plain = verified(
    unpacked(blob, budget),
    diffId,
    "the image's config gives its unpacked bytes the digest",
  );
  for await (const chunk of plain) {
    budget.spend("contentBytes", chunk.length);
    yield chunk;
  }
}

async function* unpacked(
  blob: AsyncIterable<Uint8Array>,
  budget: Budget,
): AsyncGenerator<Uint8Array> {
  const source = new ByteSource(blob);
  try {
    const start = await source.peek(4);
    if (start[0] === 0x1f && start[1] === 0x8b) yield* gunzipped(source);
    else if (isZstd(start)) {
      yield* unzstd(source, () => budget.spend("frames", 1));
    } else yield* rest(source);
  } finally {
    await source.close();
  }
}

async function* gunzipped(source: ByteSource): AsyncGenerator<Uint8Array> {
  const decoder = createGunzip({ chunkSize: DECODER_CHUNK_BYTES });
  yield* decoded(rest(source), decoder);
  // What follows the last member is part of the blob's digest.
  await source.drain();
}

async function* rest(source: ByteSource): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = await source.some(Number.MAX_SAFE_INTEGER);
    if (chunk === undefined) return;
    yield chunk;
  }
}

function isZstd(start: Uint8Array): boolean {
  const isFrame = start[0] === 0x28 && start[1] === 0xb5 &&
    start[2] === 0x2f && start[3] === 0xfd;
  const isSkippable = ((start[0] ?? 0) & 0xf0) === 0x50 &&
    start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18;
  return isFrame || isSkippable;
}
