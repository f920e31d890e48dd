/**
 * Which image each name of a registry was pulled as: a file for each name, whose
 * time of change says when it was used last. What a record names is in the cache.
 *
 *   references/HEX.json     HEX: SHA-256 of the whole name
 *
 * @module
 */

import { createHash } from "node:crypto";
import { z } from "zod";
import {
  makeDir,
  readTextIfThere,
  removeIfThere,
  writeFileAtomic,
} from "../../lib/files.ts";
import { waitForLock } from "./cache_lock.ts";
import { isCheckable } from "./layer_stream.ts";

const blobSchema = z.object({
  digest: z.string().refine(isCheckable),
  size: z.int().min(0),
});

const recordSchema = z.object({
  version: z.literal(1),
  /** The whole name: host, path, tag or digest. */
  reference: z.string(),
  /** What the name stands for: an index, or the manifest itself. */
  top: blobSchema.extend({ mediaType: z.string() }),
  /** Of the manifest for this host. */
  digest: z.string().refine(isCheckable),
  platform: z.string(),
  /** As the image's config has it. */
  created: z.string().optional(),
  pulled: z.string(),
  /** All that the image is made of. */
  blobs: z.array(blobSchema),
});
export type ImageRecord = Readonly<z.infer<typeof recordSchema>>;

export interface UsedRecord extends ImageRecord {
  /** ISO 8601. */
  readonly used: string;
}

export class ImageRecords {
  readonly #folder: string;

  constructor(cacheDir: string) {
    this.#folder = `${cacheDir}/references`;
  }

  /** What a name was pulled as; undefined if it was not. */
  async find(reference: string): Promise<ImageRecord | undefined> {
    const text = await readTextIfThere(this.#path(reference));
    return text === undefined ? undefined : parse(text);
  }

  async put(record: ImageRecord): Promise<void> {
    await makeDir(this.#folder);
    const path = this.#path(record.reference);
    using lock = await Deno.open(`${this.#folder}/.lock`, {
      write: true,
      create: true,
    });
    await waitForLock(lock, {
      exclusive: true,
      signal: new AbortController().signal,
      onWait: () => {},
    });
    await writeFileAtomic(path, `${JSON.stringify(record)}\n`, 0o644);
  }

  /** Notes that a name is used now. */
  async touch(reference: string): Promise<void> {
    const now = new Date();
    await Deno.utime(this.#path(reference), now, now).catch(() => {
      // In a cache of somebody else's: when it was used is for people only.
    });
  }

  async remove(reference: string): Promise<void> {
    await removeIfThere(this.#path(reference));
  }

  /** All names, sorted; records that cannot be read are as none. */
  async list(): Promise<UsedRecord[]> {
    const records: UsedRecord[] = [];
    try {
      for await (const { name } of Deno.readDir(this.#folder)) {
        if (!name.endsWith(".json")) continue;
        const path = `${this.#folder}/${name}`;
        const record = parse(await Deno.readTextFile(path));
        const { mtime } = await Deno.stat(path);
        if (record === undefined) continue;
        const used = (mtime ?? new Date(0)).toISOString();
        records.push({ ...record, used });
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return records.toSorted((a, b) => a.reference < b.reference ? -1 : 1);
  }

  #path(reference: string): string {
    const hex = createHash("sha256").update(reference).digest("hex");
    return `${this.#folder}/${hex}.json`;
  }
}

function parse(text: string): ImageRecord | undefined {
  try {
    return recordSchema.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
