/**
 * Fetches a file that a recipe names by URL and checksum. What arrives is
 * kept under its digest, so that it is fetched once; a file with another
 * digest is never kept.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fault } from "../lib/fault.ts";
import {
  makeDir,
  removeIfThere,
  storageFault,
  writeAll,
} from "../lib/files.ts";
import type { Digest } from "../manifest/values.ts";

const DOWNLOAD_BYTES_MAX = 256 * 1024 * 1024;
const DOWNLOAD_MS_MAX = 5 * 60 * 1000;

export interface DownloadOptions {
  readonly url: string;
  readonly checksum: Digest;
  /** Folder that downloads are kept in. */
  readonly cacheDir: string;
  readonly signal: AbortSignal;
}

/** The path of the file with that digest. */
export async function download(options: DownloadOptions): Promise<string> {
  const folder = `${options.cacheDir}/downloads`;
  await makeDir(folder);
  const path = `${folder}/${options.checksum.replace(":", "-")}`;
  const isKept = await Deno.stat(path).then((info) => info.isFile)
    .catch(() => false);
  if (isKept && await digestOfFile(path, options.signal) === options.checksum) {
    return path;
  }
  const temporary = await Deno.makeTempFile({ dir: folder, prefix: "new-" });
  try {
    const digest = await fetchInto(temporary, options);
    if (digest !== options.checksum) {
      throw new Fault(
        "checksum-mismatch",
        `Cannot use "${options.url}": its SHA-256 is ${digest}, not ${options.checksum}`,
        {
          hint: "Compare with what its publisher says, then mend the checksum",
        },
      );
    }
    await Deno.rename(temporary, path);
    return path;
  } finally {
    await removeIfThere(temporary);
  }
}

async function fetchInto(
  path: string,
  { url, signal }: DownloadOptions,
): Promise<string> {
  const limited = AbortSignal.any([
    signal,
    AbortSignal.timeout(DOWNLOAD_MS_MAX),
  ]);
  try {
    const response = await fetch(url, { signal: limited });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw failed(url, `the server answered ${response.status}`);
    }
    using file = await Deno.open(path, { write: true, truncate: true });
    const hash = createHash("sha256");
    let size = 0;
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > DOWNLOAD_BYTES_MAX) {
        throw failed(url, `it is larger than ${DOWNLOAD_BYTES_MAX} bytes`);
      }
      hash.update(chunk);
      await writeAll(file, chunk);
    }
    return `sha256:${hash.digest("hex")}`;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Fault) throw error;
    const stored = storageFault(error, "write", path);
    if (stored instanceof Fault) throw stored;
    throw failed(url, error instanceof Error ? error.message : String(error));
  }
}

function failed(url: string, reason: string): Fault {
  return new Fault("build-failed", `Cannot fetch "${url}": ${reason}`, {
    hint: "Check the address and the network, or name a local file",
  });
}

/** The digest of a file of this host. */
export async function digestOfFile(
  path: string,
  signal: AbortSignal,
): Promise<string> {
  using file = await Deno.open(path);
  const hash = createHash("sha256");
  const block = new Uint8Array(256 * 1024);
  for (;;) {
    signal.throwIfAborted();
    const got = await file.read(block);
    if (got === null) break;
    hash.update(block.subarray(0, got));
  }
  return `sha256:${hash.digest("hex")}`;
}
