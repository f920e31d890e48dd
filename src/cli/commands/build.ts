/**
 * `volant build`: an artifact and its manifest from a fledge.toml.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { Fault } from "../../lib/fault.ts";
import { folders } from "../../lib/folders.ts";
import { cacheFolder } from "../cache_folder.ts";
import type { Context } from "../context.ts";
import { help, JSON_FLAG } from "../flags.ts";
import { formatBytes } from "../format.ts";
import { progressPrinter } from "../progress.ts";
import { anyFile } from "../proposals.ts";
import { stopOnSignals } from "../signals.ts";

interface Flags {
  readonly json?: boolean;
  readonly output?: string;
  readonly manifest?: string;
  readonly config?: string;
  readonly init?: boolean;
}

export const build = buildCommand<Flags, [string | undefined], Context>({
  docs: help({
    brief: "Build an appliance from a fledge.toml (also `fledge`)",
    text: [
      "Writes the artifact and, beside it, a manifest for `volant vm create`. The same input",
      "gives the same bytes; SOURCE_DATE_EPOCH sets the time of the files in it. Needs",
      "neither root nor a daemon.",
    ].join("\n"),
    examples: [
      ["volant build --init", "Write an example: an appliance with one page"],
      ["volant build", "Build from ./fledge.toml and ./manifest.toml"],
      [
        "volant build web/fledge.toml -o web.cpio.gz -m web/manifest.toml",
        "Name all files; the artifact's name tells its compression",
      ],
    ],
    exits: [
      ["65", "fledge.toml or manifest is not valid, or a checksum differs"],
      ["66", "a file that is named does not exist"],
      ["74", "the disk is full"],
    ],
  }),
  parameters: {
    flags: {
      json: JSON_FLAG,
      output: {
        kind: "parsed",
        parse: String,
        proposeCompletions: anyFile,
        optional: true,
        placeholder: "FILE",
        brief: "FILE: the artifact (default: named after the manifest, here)",
      },
      manifest: {
        kind: "parsed",
        parse: String,
        proposeCompletions: anyFile,
        optional: true,
        placeholder: "FILE",
        brief: "FILE: the manifest (default: manifest.toml beside fledge.toml)",
      },
      config: {
        kind: "parsed",
        parse: String,
        proposeCompletions: anyFile,
        optional: true,
        placeholder: "FILE",
        brief: "FILE: the recipe, another way to name it",
      },
      init: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Write an example to start from into this folder (or FILE's)",
      },
    },
    aliases: { c: "config", o: "output", m: "manifest" },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: String,
        proposeCompletions: anyFile,
        optional: true,
        placeholder: "FILE",
        brief: "The recipe (default: fledge.toml)",
      }],
    },
  },
  async func(flags, file) {
    const recipe = file ?? flags.config ?? "fledge.toml";
    if (flags.init) {
      const { writeExample } = await import("../recipe_example.ts");
      const folder = recipe.includes("/")
        ? recipe.slice(0, recipe.lastIndexOf("/"))
        : ".";
      for (const path of await writeExample(folder)) this.out.line(path);
      const recipeWritten = folder === "." ? "" : ` ${folder}/fledge.toml`;
      this.out.note(`next: volant build${recipeWritten}`);
      return;
    }
    await buildFrom(recipe, flags, this);
  },
});

async function buildFrom(
  recipe: string,
  { json, output, manifest }: Flags,
  { out, env }: Context,
): Promise<void> {
  const { buildArtifact } = await import("../../builder/build.ts");
  const { unpackAssets } = await import("../../lib/assets.ts");
  const { stateDir } = folders(env);
  using stop = stopOnSignals();
  const built = await buildArtifact({
    configPath: recipe,
    manifestPath: manifest,
    outputPath: output,
    shimPath: (await unpackAssets(stateDir)).shim,
    cacheDir: cacheFolder(env),
    sourceDateEpoch: env("SOURCE_DATE_EPOCH"),
    signal: stop.signal,
    progress: progressPrinter(out),
  }).catch(async (error) => {
    throw await withFirstStep(error, recipe);
  });
  const { artifactPath, manifestPath, digest, sizeBytes, warnings } = built;
  for (const warning of warnings) out.note(`warning: ${warning}`);
  if (json) {
    return out.json({
      artifact: artifactPath,
      manifest: manifestPath,
      digest,
      size_bytes: sizeBytes,
      files: built.files.length,
      warnings,
    });
  }
  out.fields([
    ["artifact", artifactPath],
    ["size", formatBytes(sizeBytes)],
    ["digest", digest],
    ["manifest", manifestPath],
  ]);
  out.note(
    `next: volant vm create ${built.manifest.name} --manifest ${manifestPath}`,
  );
}

/** Whoever has no recipe yet is told how to come by one. */
async function withFirstStep(error: unknown, recipe: string): Promise<unknown> {
  if (!(error instanceof Fault && error.code === "file-not-found")) {
    return error;
  }
  if (await Deno.stat(recipe).then(() => true, () => false)) return error;
  return new Fault(error.code, error.message, {
    cause: error,
    hint: "`volant build --init` writes one to start from",
  });
}
