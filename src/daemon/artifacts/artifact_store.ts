/**
 * Artifacts held by digest: what a VM boots from, kept as long as a VM uses it.
 *
 * A file is copied in once, hashed while it is copied, and named only when its
 * digest is known to be right; an interrupted import leaves a file in `incoming`
 * that the next start removes. From its import until its VM is recorded an
 * artifact is held: no record speaks for it yet, and other VMs come and go.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fault } from "../../lib/fault.ts";
import {
  makeDir,
  openRegularFile,
  removeIfThere,
  storageFault,
  writeAll,
} from "../../lib/files.ts";

/** Whether a record names the digest; asked just before a file is removed. */
export type IsUsed = (digest: string) => boolean;

export class ArtifactStore {
  readonly #folder: string;
  /** How many imports of a digest were not released yet. */
  readonly #holds = new Map<string, number>();
  readonly #removals = new Map<string, Promise<void>>();

  constructor(stateDir: string) {
    this.#folder = `${stateDir}/artifacts`;
  }

  /** Makes the folders and removes what an interrupted import left. */
  async open(): Promise<void> {
    await removeIfThere(`${this.#folder}/incoming`);
    // A VMM that runs as somebody else passes through, but cannot list.
    await makeDir(this.#folder, 0o711);
    await makeDir(`${this.#folder}/sha256`, 0o711);
    await makeDir(`${this.#folder}/incoming`);
  }

  /** Where the artifact lies; the digest is `sha256:` and 64 hex digits. */
  path(digest: string): string {
    return `${this.#folder}/sha256/${digest.slice("sha256:".length)}`;
  }

  /**
   * Takes in the file a manifest names by `url`; resolves with its digest,
   * which is held until the caller releases it.
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
      await this.#place(incoming, digest);
      return digest;
    } finally {
      await removeIfThere(incoming);
    }
  }

  /** Ends the hold of one import, whether or not its VM was recorded. */
  async release(digest: string, isUsed: IsUsed): Promise<void> {
    this.#letGo(digest);
    await this.releaseUnused(digest, isUsed);
  }

  /** Removes an artifact that a deleted VM used, if nobody else needs it. */
  async releaseUnused(digest: string, isUsed: IsUsed): Promise<void> {
    // An import that waits for its end puts the file in place after it.
    const begun = this.#removals.get(digest);
    if (begun !== undefined) return await begun;
    if (this.#holds.has(digest) || isUsed(digest)) return;
    const removal = removeIfThere(this.path(digest))
      .finally(() => this.#removals.delete(digest));
    this.#removals.set(digest, removal);
    await removal;
  }

  /** Removes what neither a VM uses nor an import holds. */
  async collect(isUsed: IsUsed): Promise<void> {
    for await (const { name } of Deno.readDir(`${this.#folder}/sha256`)) {
      await this.releaseUnused(`sha256:${name}`, isUsed);
    }
  }

  /** The hold comes first, then the file: no removal can begin between. */
  async #place(incoming: string, digest: string): Promise<void> {
    this.#holds.set(digest, (this.#holds.get(digest) ?? 0) + 1);
    try {
      // One that began earlier would take the new file; its failure is told
      // to whom it concerns.
      await this.#removals.get(digest)?.catch(() => {});
      await Deno.rename(incoming, this.path(digest));
    } catch (error) {
      this.#letGo(digest);
      throw error;
    }
  }

  #letGo(digest: string): void {
    const count = this.#holds.get(digest);
    if (count === undefined) throw new Error(`${digest} is not held`);
    if (count === 1) this.#holds.delete(digest);
    else this.#holds.set(digest, count - 1);
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
  using from = await openRegularFile(source, {
    what: "artifact",
    hint: "Check the url in the manifest",
  });
  try {
    // Readable by the VMM, which may run as somebody else, under any umask.
    using to = await Deno.open(target, {
      write: true,
      createNew: true,
    });
    await Deno.chmod(target, 0o644);
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
