/**
 * Artifacts held by digest: what a VM boots from, kept as long as a VM or a
 * plugin uses it.
 *
 * A file is copied or fetched in once, hashed on the way, and named only when
 * its digest is known to be right; an interrupted import leaves a file in
 * `incoming` that the next start removes. From its import until its VM or plugin
 * is recorded an artifact is held: no record speaks for it yet, and other VMs
 * come and go.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import {
  makeDir,
  removeIfThere,
  storageFault,
  syncDir,
} from "../../lib/files.ts";
import { step } from "../../lib/step.ts";
import { DOWNLOAD_RULES } from "./download.ts";
import { Leftovers } from "./leftovers.ts";
import { sourceOf, takeIn } from "./source.ts";
import type { DownloadRules } from "./transfer.ts";

/** Whether a record names the digest; asked just before a file is removed. */
export type IsUsed = (digest: string) => boolean;

export interface ArtifactName {
  /** `http(s)://`, an absolute path, or `sha256:` of a file that is here. */
  readonly url: string;
  readonly checksum?: string | undefined;
}

export class ArtifactStore {
  readonly #folder: string;
  readonly #rules: DownloadRules;
  /** How many imports of a digest were not released yet. */
  readonly #holds = new Map<string, number>();
  readonly #removals = new Map<string, Promise<void>>();
  readonly #leftovers = new Leftovers();

  constructor(stateDir: string, rules: DownloadRules = DOWNLOAD_RULES) {
    this.#folder = `${stateDir}/artifacts`;
    this.#rules = rules;
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
   * Takes in the file a manifest names; resolves with its digest, which is held
   * until the caller releases it. What is here already is not read again.
   * Throws `file-not-found`, `checksum-mismatch`, `disk-full`, `invalid-input`,
   * `download-failed`.
   */
  async import(
    { url, checksum }: ArtifactName,
    signal: AbortSignal,
  ): Promise<string> {
    const source = sourceOf(url);
    const wanted = checksum === undefined ? undefined : fullDigest(checksum);
    if (source.kind === "held") {
      checkDigest(source.digest, { wanted, shown: url });
      if (await this.#holdIfHere(source.digest)) return source.digest;
      throw new Fault(
        "file-not-found",
        `Cannot use artifact "${url}": no file of that digest is held`,
        { hint: "Give the file's path or URL; its digest may stand beside it" },
      );
    }
    if (wanted !== undefined && await this.#holdIfHere(wanted)) return wanted;
    const incoming = `${this.#folder}/incoming/${crypto.randomUUID()}`;
    try {
      const digest = await takeIn(source, {
        target: incoming,
        isPinned: wanted !== undefined,
        rules: this.#rules,
        signal,
      });
      step("artifacts:taken-in");
      checkDigest(digest, { wanted, shown: source.shown });
      await this.#place(incoming, digest);
      return digest;
    } finally {
      await this.#leftovers.remove(incoming, () => removeIfThere(incoming));
    }
  }

  /** Ends the hold of one import, whether or not its VM was recorded. */
  async release(digest: string, isUsed: IsUsed): Promise<void> {
    this.#letGo(digest);
    await this.releaseUnused(digest, isUsed);
  }

  /**
   * Removes an artifact that a deleted VM used, if nobody else needs it; later,
   * where the disk fails.
   */
  async releaseUnused(digest: string, isUsed: IsUsed): Promise<void> {
    await this.#leftovers.remove(
      digest,
      () => this.#removeUnused(digest, isUsed),
    );
  }

  async #removeUnused(digest: string, isUsed: IsUsed): Promise<void> {
    // An import that waits for its end puts the file in place after it.
    const begun = this.#removals.get(digest);
    if (begun !== undefined) return await begun;
    if (this.#holds.has(digest) || isUsed(digest)) return;
    const removal = removeIfThere(this.path(digest))
      .finally(() => this.#removals.delete(digest));
    this.#removals.set(digest, removal);
    await removal;
    step("artifacts:removed");
  }

  /** Removes what neither a VM nor a plugin uses and no import holds. */
  async collect(isUsed: IsUsed): Promise<void> {
    for await (const { name } of Deno.readDir(`${this.#folder}/sha256`)) {
      await this.releaseUnused(`sha256:${name}`, isUsed);
    }
  }

  async #holdIfHere(digest: string): Promise<boolean> {
    return await this.#hold(digest, async () => {
      const info = await Deno.lstat(this.path(digest)).catch(() => undefined);
      return info?.isFile === true;
    });
  }

  async #place(incoming: string, digest: string): Promise<void> {
    const path = this.path(digest);
    await this.#hold(digest, async () => {
      const isNew = await Deno.lstat(path).then(() => false, () => true);
      try {
        await Deno.rename(incoming, path);
        // A record that names it must not outlive its name.
        await syncDir(`${this.#folder}/sha256`);
      } catch (error) {
        // Else it would be nobody's: it goes with what came in.
        if (isNew && this.#holds.get(digest) === 1) {
          await Deno.rename(path, incoming).catch(() => {});
        }
        throw storageFault(error, "write", path);
      }
      step("artifacts:placed");
      return true;
    });
  }

  /**
   * The hold comes first, then `act`: no removal can begin between. It stays
   * when `act` gives true.
   */
  async #hold(digest: string, act: () => Promise<boolean>): Promise<boolean> {
    this.#holds.set(digest, (this.#holds.get(digest) ?? 0) + 1);
    let stays = false;
    try {
      // One that began earlier would take the new file; its failure is told
      // to whom it concerns.
      await this.#removals.get(digest)?.catch(() => {});
      stays = await act();
      return stays;
    } finally {
      if (!stays) this.#letGo(digest);
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

function checkDigest(
  digest: string,
  { wanted = digest, shown }: {
    readonly wanted: string | undefined;
    readonly shown: string;
  },
): void {
  if (wanted === digest) return;
  throw new Fault(
    "checksum-mismatch",
    `Cannot use artifact "${shown}": its checksum is ${digest}, not ${wanted}`,
    { hint: "Build it again, or correct the manifest's checksum" },
  );
}
