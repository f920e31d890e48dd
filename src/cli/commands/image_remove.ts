/**
 * `volant image remove`: names of images, and what only they were made of.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import type { Cleared } from "../../builder/oci/image_inventory.ts";
import type { Context } from "../context.ts";
import { help, JSON_FLAG } from "../flags.ts";
import {
  absoluteCacheFolder,
  clearedView,
  clearedWords,
  SEVERAL_IMAGES,
} from "../image_text.ts";
import { forEachOf } from "../several.ts";
import { stopOnSignals } from "../signals.ts";

interface Flags {
  readonly json?: boolean;
}

export const imageRemove = buildCommand<Flags, string[], Context>({
  docs: help({
    brief: "Remove images from the cache",
    text:
      "What another image is made of stays. An image that is named by its digest goes with all of\nits names. VMs have files of their own: they run on, and can be started again.",
    examples: [
      ["volant image remove nginx:alpine", "Remove an image"],
      ["volant image remove $(volant image list -q)", "Remove them all"],
    ],
    exits: [["66", "there is no such image in the cache"]],
  }),
  parameters: { flags: { json: JSON_FLAG }, positional: SEVERAL_IMAGES },
  async func({ json }, ...names) {
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
    const inventory = new ImageInventory(folder);
    const removed = new Map<string, Cleared>();
    await forEachOf(this, {
      names,
      json,
      say: (name) => {
        const cleared = removed.get(name);
        return cleared === undefined
          ? `${name} is removed`
          : `${name} is removed: ${clearedWords(cleared)}`;
      },
    }, async (name) => {
      const cleared = await inventory.remove(name);
      removed.set(name, cleared);
      return { image: name, ...clearedView(cleared) };
    });
  },
});
