/**
 * Artifacts held by digest: what a VM boots from, kept as long as a VM uses it.
 *
 * A file is copied in once, hashed while it is copied, and named only when its
 * digest is known to be right; an interrupted import leaves a file in `incoming`
 * that the next start removes.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fault } from "../../lib/fault.ts";
import {
  makeDir,
  removeIfThere,
  storageFault,
  writeAll,
} from "../../lib/files.ts";

export class ArtifactStore {
  readonly #folder: string;

  constructor(stateDir: string) {
    this.#folder = `${stateDir}/artifacts`;
  }

  /** Makes the folders and removes what an interrupted import left. */
  async open(): Promise<void> {
    await removeIfThere(`${this.#folder}/incoming`);
    // A VMM that runs as somebody else passes through, but cannot list.
    await makeDir(`${this.#folder}/sha256`, 0o711);
    await makeDir(`${this.#folder}/incoming`);
  }

  /** Where the artifact lies; the digest is `sha256:` and 64 hex digits. */
  path(digest: string): string {
    return `${this.#folder}/sha256/${digest.slice("sha256:".length)}`;
  }

  /**
   * Takes in the file a manifest names by `url`; resolves with its digest.
   * Throws `file-not-found`, `checksum-mismatch`, `disk-full`, `not-supported`.
   */
  async import(
    { url, checksum }: { readonly url: string; readonly checksum?: string },
    signal: AbortSignal,
  ): Promise<string> {
    const source = localPath(url);
    const wanted = checksum === undefined ? undefined : fullDigest(checksum);
    const incoming = `${this.#folder}/incoming/${crypto.randomUUID()}`;
    try {
      const digest = await copyAndHash(source, incoming, signal);
      if (wanted !== undefined && wanted !== digest) {
        throw new Fault(
          "checksum-mismatch",
          `Cannot use artifact "${source}": its checksum is ${digest}, not ${wanted}`,
          { hint: "Build it again, or correct the manifest's checksum" },
        );
      }
      await Deno.rename(incoming, this.path(digest));
      return digest;
    } finally {
      await removeIfThere(incoming);
    }
  }

  async remove(digest: string): Promise<void> {
    await removeIfThere(this.path(digest));
  }

  /** Removes what no VM uses; for the start, when nobody imports. */
  async collect(isUsed: (digest: string) => boolean): Promise<void> {
    for await (const { name } of Deno.readDir(`${this.#folder}/sha256`)) {
      if (!isUsed(`sha256:${name}`)) await this.remove(`sha256:${name}`);
    }
  }
}

function fullDigest(checksum: string): string {
  return checksum.startsWith("sha256:") ? checksum : `sha256:${checksum}`;
}

function localPath(url: string): string {
  if (url.startsWith("/")) return url;
  if (url.startsWith("file://")) {
    return decodeURIComponent(new URL(url).pathname);
  }
  throw new Fault(
    "not-supported",
    `Cannot fetch artifact "${url}": only local files can be used`,
    { hint: "Give an absolute path, or file:// and one" },
  );
}

async function copyAndHash(
  source: string,
  target: string,
  signal: AbortSignal,
): Promise<string> {
  using from = await openSource(source);
  try {
    // Readable by the VMM, which may run as somebody else.
    using to = await Deno.open(target, {
      write: true,
      createNew: true,
      mode: 0o644,
    });
    const hash = createHash("sha256");
    for await (const chunk of from.readable) {
      signal.throwIfAborted();
      hash.update(chunk);
      await writeAll(to, chunk);
    }
    await to.sync();
    return `sha256:${hash.digest("hex")}`;
  } catch (error) {
    throw storageFault(error, "write", target);
  }
}

async function openSource(source: string): Promise<Deno.FsFile> {
  try {
    const file = await Deno.open(source);
    if ((await file.stat()).isFile) return file;
    file.close();
  } catch (cause) {
    throw new Fault(
      "file-not-found",
      `Cannot read artifact "${source}": ${
        cause instanceof Deno.errors.PermissionDenied
          ? "permission denied"
          : "it is not there"
      }`,
      { cause, hint: "Check the url in the manifest" },
    );
  }
  throw new Fault(
    "file-not-found",
    `Cannot read artifact "${source}": it is not a regular file`,
    { hint: "Check the url in the manifest" },
  );
}
