/**
 * `volant image pull`: images of registries, into the cache.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { help, JSON_FLAG } from "../flags.ts";
import type { Context } from "../context.ts";
import { formatBytes } from "../format.ts";
import {
  absoluteCacheFolder,
  digestWord,
  imageNames,
  type ImageView,
  imageView,
} from "../image_text.ts";
import { progressPrinter } from "../progress.ts";
import {
  REGISTRY_FLAGS,
  type RegistryFlags,
  registryOptions,
} from "../registry_flags.ts";
import { forEachOf } from "../several.ts";
import { stopOnSignals } from "../signals.ts";

interface Flags extends RegistryFlags {
  readonly json?: boolean;
}

export const imagePull = buildCommand<Flags, string[], Context>({
  docs: help({
    brief: "Pull images from registries into the cache",
    text: [
      "IMAGE is [HOST[:PORT]/]NAME[:TAG][@DIGEST]. The registry is asked what the name stands for now;",
      "only what is not in the cache is fetched. A pull that was broken off goes on where it ended.",
      "",
      "Credentials are those of docker login and podman login, with their helpers.",
    ].join("\n"),
    examples: [
      ["volant image pull nginx:alpine", "Pull it from the default registry"],
      [
        "volant image pull localhost:5000/team/app:1",
        "Pull it from a registry on this host",
      ],
      [
        "volant image pull --ca /etc/team-ca.pem registry.example.com/app",
        "Pull it from one whose certificate a private authority has signed",
      ],
    ],
    exits: [
      ["66", "there is no such image"],
      ["69", "the registry cannot be reached, or gives up"],
      ["77", "the registry wants other credentials"],
    ],
  }),
  parameters: {
    flags: { json: JSON_FLAG, ...REGISTRY_FLAGS },
    positional: {
      kind: "array",
      minimum: 1,
      parameter: {
        parse: String,
        proposeCompletions: imageNames,
        placeholder: "IMAGE",
        brief: "Names of images, pulled in turn",
      },
    },
  },
  async func(flags, ...names) {
    using stop = stopOnSignals();
    const { pullImage } = await import("../../builder/oci/pull_image.ts");
    await forEachOf<ImageView>(this, {
      names,
      json: flags.json,
      say: (name, image) =>
        image === undefined
          ? `${name} is pulled`
          : `${image.reference} is ${digestWord(image.digest)}, ${
            formatBytes(image.blob_bytes)
          }`,
    }, async (name) =>
      imageView(
        await pullImage(name, {
          cacheDir: absoluteCacheFolder(this),
          registry: registryOptions(flags, this),
          progress: progressPrinter(
            this.out,
            names.length > 1 ? `${name}: ` : "",
          ),
          signal: stop.signal,
        }),
      ));
  },
});
