/**
 * Reading the layers of one image: each as often as it is asked for, checked,
 * within the limits, with contents handed to whoever writes them. A failure is
 * told with the layer it is in, and a layer that makes no sense is first compared
 * with its digest, because then that is what is wrong.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { ByteSource } from "../../archive/byte_source.ts";
import { imageFault, problemOf } from "./image_problem.ts";
import {
  type LayerRecord,
  type Leaf,
  type OpenFile,
  recordOf,
} from "./layer_records.ts";
import { layerTar } from "./layer_stream.ts";
import { Budget, LIMITS, type Limits } from "./limits.ts";
import type { LayerBlob } from "./opened_image.ts";
import { TarReader } from "../../archive/tar_reader.ts";

export interface ReadingOptions<Data> {
  /** The image, for messages. */
  readonly name: string;
  /** Takes a file's content; one at a time. */
  readonly writeData: (content: AsyncIterable<Uint8Array>) => Promise<Data>;
  readonly signal: AbortSignal;
  readonly limits?: Limits | undefined;
  /** Said before each layer is read; its number counts from the lowest, from 1. */
  readonly onLayer?: ((number: number) => void) | undefined;
  /** Stored bytes that were read. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** What a record's file holds, to be taken before the next record comes. */
export interface Content {
  readonly size: number;
  readonly chunks: () => AsyncIterable<Uint8Array>;
}

/** Lists of users that are longer are not looked into. */
const TEXT_BYTES_MAX = 1024 * 1024;

export class LayerReading<Data> {
  /** What this image may still cost. */
  budget: Budget;
  readonly #layers: readonly LayerBlob[];
  readonly #options: ReadingOptions<Data>;
  readonly #texts = new Map<Leaf<Data>, string>();

  constructor(layers: readonly LayerBlob[], options: ReadingOptions<Data>) {
    this.#layers = layers;
    this.#options = options;
    this.budget = new Budget(options.limits ?? LIMITS);
  }

  /** Begins to count the cost anew. */
  again(): void {
    this.budget = new Budget(this.#options.limits ?? LIMITS);
  }

  /** Hands each record of a layer on, with the content that goes with it. */
  async layer(
    index: number,
    visit: (record: LayerRecord<Data>, content: Content) => Promise<void>,
  ): Promise<void> {
    const { signal, onLayer } = this.#options;
    const { budget } = this;
    onLayer?.(index + 1);
    const layer = this.#layers[index];
    if (layer === undefined) return;
    await this.blaming(index, async () => {
      const source = new ByteSource(
        layerTar(this.#counted(layer), layer.diffId, budget),
      );
      try {
        const reader = new TarReader(source);
        for (;;) {
          signal.throwIfAborted();
          const entry = await reader.next();
          if (entry === undefined) break;
          const record = recordOf<Data>(entry, budget);
          if (record === undefined) continue;
          // The archive's own bytes are counted where they are unpacked.
          budget.spend("contentBytes", entry.holes);
          await visit(record, { size: entry.size, chunks: entry.content });
        }
      } finally {
        await source.close();
      }
    });
  }

  /** Takes the content of a file; of a folder, link or device there is none. */
  async take(node: Leaf<Data>, { chunks }: Content): Promise<void> {
    if (node.kind !== "file" || node.data !== undefined) return;
    node.data = await this.#options.writeData(chunks());
  }

  /** As `take`, and keeps the text unless it is long. */
  async takeText(node: Leaf<Data>, content: Content): Promise<void> {
    if (node.kind !== "file" || content.size > TEXT_BYTES_MAX) {
      return await this.take(node, content);
    }
    this.budget.spend("textBytes", content.size);
    const parts: Uint8Array[] = [];
    for await (const chunk of content.chunks()) parts.push(chunk.slice());
    const whole = Buffer.concat(parts);
    this.#texts.set(node, whole.toString("latin1"));
    await this.take(node, { size: whole.length, chunks: () => once(whole) });
  }

  /** Lets go of a text: another file has come in its place. */
  dropText(node: Leaf<Data>): void {
    this.#texts.delete(node);
  }

  /** The text kept of a file, as a binary string. */
  text(file: OpenFile<Data>): string | undefined {
    return this.#texts.get(file);
  }

  /** Does `act`; what is wrong is a fault of that layer. */
  async blaming(index: number, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      throw imageFault(
        `layer ${index + 1} of image "${this.#options.name}"`,
        await this.#rootCause(index, error),
      );
    }
  }

  /** Bytes that make no sense are mostly not those the digest names. */
  async #rootCause(index: number, error: unknown): Promise<unknown> {
    const isDamage = problemOf(error)?.code === "invalid-image";
    const layer = this.#layers[index];
    if (!isDamage || layer === undefined) return error;
    try {
      for await (const _ of layer.read(this.#options.signal));
      return error;
    } catch (cause) {
      return cause;
    }
  }

  async *#counted(layer: LayerBlob): AsyncGenerator<Uint8Array> {
    const { signal, onBytes } = this.#options;
    for await (const chunk of layer.read(signal)) {
      yield chunk;
      onBytes?.(chunk.length);
    }
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
