/**
 * `volant image prune`: what no image in the cache needs.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import type { Context } from "../context.ts";
import { help, JSON_FLAG } from "../flags.ts";
import {
  absoluteCacheFolder,
  clearedView,
  clearedWords,
} from "../image_text.ts";
import { stopOnSignals } from "../signals.ts";

interface Flags {
  readonly json?: boolean;
  readonly all?: boolean;
}

export const imagePrune = buildCommand<Flags, [], Context>({
  docs: help({
    brief: "Clear the cache of what no pulled image needs",
    text: [
      "That is: layers of names that stand for another image by now, pulls that were broken off, and",
      "images that were converted from a folder or an archive. Nothing of it is lost but time: what is",
      "wanted again is pulled, or converted, again. VMs have files of their own.",
    ].join("\n"),
    examples: [
      ["volant image prune", "Clear what nothing refers to"],
      ["volant image prune --all", "Clear all images"],
    ],
  }),
  parameters: {
    flags: {
      json: JSON_FLAG,
      all: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Pulled images as well",
      },
    },
    aliases: { a: "all" },
  },
  async func({ json, all = false }) {
    using stop = stopOnSignals();
    const { ImageInventory } = await import(
      "../../builder/oci/image_inventory.ts"
    );
    const { ownCache } = await import("../../builder/oci/cache_lock.ts");
    const folder = absoluteCacheFolder(this);
    using _owned = await ownCache(
      folder,
      stop.signal,
      () => this.out.note("waiting for pulls and conversions to end"),
    );
    const cleared = await new ImageInventory(folder).prune({ all });
    if (json) return this.out.json(clearedView(cleared));
    for (const name of cleared.references) this.out.line(`${name} is removed`);
    this.out.line(`cleared ${clearedWords(cleared)}`);
  },
});
