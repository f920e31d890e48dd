/**
 * `volant image list`: what the cache holds of images.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import type { Context } from "../context.ts";
import { help, JSON_FLAG } from "../flags.ts";
import { formatAge, formatBytes } from "../format.ts";
import {
  absoluteCacheFolder,
  createdWord,
  digestWord,
  imageView,
} from "../image_text.ts";

interface Flags {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export const imageList = buildCommand<Flags, [], Context>({
  docs: help({
    brief: "List the images in the cache",
    text:
      "Those that were pulled, and those that were converted from a folder or an archive. SIZE is\nwhat an image takes on the disk, pulled and converted; what images share counts for each.",
    examples: [
      ["volant image list", "Show all, with their sizes and last use"],
      ["volant image list -q", "Print their names"],
    ],
  }),
  parameters: {
    flags: {
      json: JSON_FLAG,
      quiet: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print names only",
      },
    },
    aliases: { q: "quiet" },
  },
  async func({ json, quiet }) {
    const { ImageInventory } = await import(
      "../../builder/oci/image_inventory.ts"
    );
    const images = await new ImageInventory(absoluteCacheFolder(this)).list();
    if (json) return this.out.json(images.map(imageView));
    if (quiet) {
      return images.forEach(({ reference, digest }) =>
        this.out.line(reference ?? digest)
      );
    }
    const now = Date.now();
    this.out.table(
      ["IMAGE", "DIGEST", "PLATFORM", "SIZE", "CREATED", "USED"],
      images.map((image) => [
        image.reference ?? "-",
        digestWord(image.digest),
        image.platform,
        formatBytes(image.blobBytes + image.rootfsBytes),
        createdWord(image.created),
        `${formatAge(image.used, now)} ago`,
      ]),
    );
  },
});
