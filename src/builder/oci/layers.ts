/**
 * Layers into one tree, the uppermost read first: by the time a lower layer
 * streams by, it is known which of its files are hidden, and their contents are
 * never written. What lies where is settled after, when all names are known; a
 * file that was passed over and is wanted after all (by a hard link, or through a
 * symbolic link) is fetched in a second reading of its layer.
 *
 * @module
 */

import type { DirectoryNode } from "../erofs/tree.ts";
import {
  type Content,
  LayerReading,
  type ReadingOptions,
} from "./layer_reading.ts";
import type { LayerRecord, Leaf, OpenFile } from "./layer_records.ts";
import { LayerTree } from "./layer_tree.ts";
import type { LayerBlob } from "./opened_image.ts";
import { Shadow } from "./shadow.ts";

export interface ApplyOptions<Data> extends ReadingOptions<Data> {
  /** Paths of small files whose text is wanted, too. */
  readonly texts: readonly string[];
}

export interface AppliedLayers<Data> {
  readonly root: DirectoryNode<Data>;
  /** By path, as binary strings; without those that are not there. */
  readonly texts: ReadonlyMap<string, string>;
}

export async function applyLayers<Data>(
  layers: readonly LayerBlob[],
  options: ApplyOptions<Data>,
): Promise<AppliedLayers<Data>> {
  const reading = new LayerReading(layers, options);
  const records = await topDown(reading, layers.length, options.texts);
  const tree = new LayerTree<Data>(reading.budget);
  for (const [index, each] of records.entries()) {
    await reading.blaming(index, () => tree.apply(each, options.signal));
  }
  const files = textFiles(tree, options.texts);
  await fetchMissing(reading, records, {
    contents: tree.openFiles(),
    texts: new Set(
      [...files.values()].filter((file) => reading.text(file) === undefined),
    ),
  });
  const texts = new Map<string, string>();
  for (const [path, file] of files) texts.set(path, reading.text(file) ?? "");
  return { root: tree.complete(), texts };
}

/** What each layer says, the lowest first; contents are written on the way. */
async function topDown<Data>(
  reading: LayerReading<Data>,
  count: number,
  texts: readonly string[],
): Promise<LayerRecord<Data>[][]> {
  const shadow = new Shadow();
  const records: LayerRecord<Data>[][] = [];
  for (let index = count - 1; index >= 0; index--) {
    const found: LayerRecord<Data>[] = [];
    const newest = new Map<string, Leaf<Data>>();
    await reading.layer(index, async (record, content) => {
      found.push(record);
      if (record.kind !== "leaf" || shadow.hides(record.path)) return;
      if (texts.includes(record.path)) {
        const older = newest.get(record.path);
        if (older !== undefined) reading.dropText(older);
        newest.set(record.path, record.node);
        await reading.takeText(record.node, content);
      } else await reading.take(record.node, content);
    });
    for (const record of found) shadow.add(record);
    records.unshift(found);
  }
  return records;
}

/** The files that paths lead to, links followed. */
function textFiles<Data>(
  tree: LayerTree<Data>,
  paths: readonly string[],
): Map<string, OpenFile<Data>> {
  const files = new Map<string, OpenFile<Data>>();
  for (const path of paths) {
    const node = tree.find(path);
    if (node?.kind === "file") files.set(path, node);
  }
  return files;
}

async function fetchMissing<Data>(
  reading: LayerReading<Data>,
  records: readonly (readonly LayerRecord<Data>[])[],
  missing: {
    readonly contents: ReadonlySet<Leaf<Data>>;
    readonly texts: ReadonlySet<Leaf<Data>>;
  },
): Promise<void> {
  const { contents, texts } = missing;
  reading.again();
  for (const [index, first] of records.entries()) {
    const isMissed = first.some((record) =>
      record.kind === "leaf" &&
      (contents.has(record.node) || texts.has(record.node))
    );
    if (!isMissed) continue;
    let at = 0;
    const visit = async (_: unknown, content: Content) => {
      const record = first[at];
      at += 1;
      if (record?.kind !== "leaf") return;
      if (texts.has(record.node)) await reading.takeText(record.node, content);
      else if (contents.has(record.node)) {
        await reading.take(record.node, content);
      }
    };
    await reading.layer(index, visit);
  }
}
