/**
 * What the tests of layers share: layers made of tar bytes, a writer that keeps
 * contents in memory and says what it was given, and trees as lines of text.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { DirectoryNode, FsNode } from "../erofs/tree.ts";
import { applyLayers, type ApplyOptions } from "./layers.ts";
import type { LayerBlob } from "./opened_image.ts";

export interface FakeImage {
  readonly root: DirectoryNode<string>;
  readonly texts: ReadonlyMap<string, string>;
  /** Contents in the order they were written. */
  readonly written: readonly string[];
  /** How often the layers were read, by number from the lowest, from 1. */
  readonly layersRead: readonly number[];
}

/** A layer of these bytes, cut into chunks of an odd size. */
export function layerOf(
  plain: Uint8Array,
  stored: Uint8Array = plain,
): LayerBlob {
  const hex = createHash("sha256").update(plain).digest("hex");
  return {
    diffId: `sha256:${hex}`,
    size: stored.length,
    read: () => cut(stored, 1009),
  };
}

/** Applies layers of plain tar, the lowest first. */
export async function applied(
  layers: readonly (Uint8Array | LayerBlob)[],
  options: Partial<ApplyOptions<string>> = {},
): Promise<FakeImage> {
  const written: string[] = [];
  const layersRead: number[] = [];
  const blobs = layers.map((layer) =>
    layer instanceof Uint8Array ? layerOf(layer) : layer
  );
  const { root, texts } = await applyLayers<string>(blobs, {
    name: "test",
    texts: [],
    signal: new AbortController().signal,
    onLayer: (number) => layersRead.push(number),
    writeData: async (content) => {
      const parts: Uint8Array[] = [];
      for await (const part of content) parts.push(part.slice());
      const text = Buffer.concat(parts).toString("latin1");
      written.push(text);
      return text;
    },
    ...options,
  });
  return { root, texts, written, layersRead };
}

/** One line for each name: `etc/passwd file 644 0:0 "root"`. */
export function linesOf(root: DirectoryNode<string>): string[] {
  const lines: string[] = [];
  const firstNames = new Map<FsNode<string>, string>();
  const visit = (path: string, node: FsNode<string>) => {
    const owner = `${node.mode.toString(8)} ${node.uid}:${node.gid}`;
    const first = firstNames.get(node);
    if (first !== undefined) lines.push(`${path} = ${first}`);
    else lines.push([path, node.kind, owner, ...detail(node)].join(" "));
    firstNames.set(node, first ?? path);
    if (node.kind !== "directory") return;
    for (const name of [...node.entries.keys()].sort()) {
      const child = node.entries.get(name);
      if (child !== undefined) visit(`${path}/${name}`, child);
    }
  };
  visit("", root);
  return lines.slice(1);
}

/** The paths alone. */
export function pathsOf(root: DirectoryNode<string>): string[] {
  return linesOf(root).map((line) => line.split(" ")[0] ?? "");
}

function detail(node: FsNode<string>): string[] {
  switch (node.kind) {
    case "file":
      return [JSON.stringify(node.data)];
    case "symlink":
      return [`-> ${node.target}`];
    case "char":
    case "block":
      return [`${node.major},${node.minor}`];
    default:
      return [];
  }
}

async function* cut(
  bytes: Uint8Array,
  size: number,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield await Promise.resolve(bytes.subarray(at, at + size));
  }
}
