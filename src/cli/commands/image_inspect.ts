/**
 * `volant image inspect`: what an image is made of, and how it wants to be run.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import type { Context } from "../context.ts";
import { help, JSON_FLAG } from "../flags.ts";
import { formatBytes, plain } from "../format.ts";
import {
  absoluteCacheFolder,
  createdWord,
  digestWord,
  imageNames,
} from "../image_text.ts";
import { anyFile } from "../proposals.ts";
import { stopOnSignals } from "../signals.ts";
import type { ImageDetails } from "../../builder/oci/inspect_image.ts";

interface Flags {
  readonly json?: boolean;
}

export const imageInspect = buildCommand<Flags, [string], Context>({
  docs: help({
    brief: "Show what an image is made of, and how it wants to be run",
    text:
      "IMAGE is one in the cache, by its name or how its digest begins, or one on the disk as for\nvolant run. No registry is asked. Of variables only the names are shown; --json has all.",
    examples: [
      ["volant image inspect nginx:alpine", "Show an image that was pulled"],
      ["volant image inspect oci:./tools:1.2 --json", "Show one on the disk"],
    ],
  }),
  parameters: {
    flags: { json: JSON_FLAG },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: String,
        async proposeCompletions(this: Context, partial: string) {
          const names = await imageNames.call(this);
          return [...names, ...anyFile(partial)];
        },
        placeholder: "IMAGE",
        brief: "Name of the image, or how its digest begins",
      }],
    },
  },
  async func({ json }, name) {
    using stop = stopOnSignals();
    const { inspectImage } = await import(
      "../../builder/oci/inspect_image.ts"
    );
    const details = await inspectImage(name, {
      cacheDir: absoluteCacheFolder(this),
      signal: stop.signal,
    });
    if (json) return this.out.json(details);
    this.out.fields(fieldsOf(details));
  },
});

function fieldsOf(
  image: ImageDetails,
): (readonly [string, string | undefined])[] {
  const { config } = image;
  const layers = image.layers.map(({ digest, size }) =>
    `${digestWord(digest)} ${formatBytes(size)}`
  );
  const fields: (readonly [string, string | undefined])[] = [
    ["image", image.reference],
    ["digest", image.digest],
    ["index", image.index],
    ["platform", image.platform],
    ["created", createdWord(image.created)],
    ["pulled", image.pulled],
    ["entrypoint", wordsOf(config.Entrypoint)],
    ["cmd", wordsOf(config.Cmd)],
    ["env", config.Env?.map((each) => each.replace(/=.*$/s, "")).join(", ")],
    ["workdir", config.WorkingDir],
    ["user", config.User],
    ["stop signal", config.StopSignal],
    ["ports", Object.keys(config.ExposedPorts ?? {}).join(", ")],
    ["volumes", Object.keys(config.Volumes ?? {}).join(", ")],
    ["labels", Object.keys(config.Labels ?? {}).join(", ")],
    ["layers", layers.join(", ")],
    ["converted", image.rootfs],
  ];
  // An image is a stranger's: it has no say over the terminal.
  return fields.map(([key, value]) => [key, value && plain(value)]);
}

function wordsOf(words: readonly string[] | undefined): string | undefined {
  return words === undefined || words.length === 0
    ? undefined
    : JSON.stringify(words);
}
