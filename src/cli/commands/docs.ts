/**
 * `volant docs`: the reference pages, as `docs/reference/` holds them.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import type { Context } from "../context.ts";
import { help } from "../flags.ts";

export const docsCli = buildCommand<Record<never, never>, [], Context>({
  docs: help({
    brief: "Print the page of the command line",
    examples: [["volant docs cli > docs/reference/cli.md", "Renew the page"]],
  }),
  parameters: {},
  async func() {
    const { cliPage } = await import("../reference.ts");
    this.out.raw(await cliPage());
  },
});

export const docsFaults = buildCommand<Record<never, never>, [], Context>({
  docs: help({
    brief: "Print the page of the faults",
    examples: [
      ["volant docs faults > docs/reference/faults.md", "Renew the page"],
    ],
  }),
  parameters: {},
  async func() {
    const { faultsPage } = await import("../reference.ts");
    this.out.raw(faultsPage());
  },
});

export const docsManifest = buildCommand<Record<never, never>, [], Context>({
  docs: help({
    brief: "Print the page of the manifest's keys",
    examples: [["volant docs manifest | less", "Look up a key"]],
  }),
  parameters: {},
  async func() {
    const { manifestReferencePage } = await import(
      "../../manifest/reference_page.ts"
    );
    this.out.raw(manifestReferencePage());
  },
});

export const docsSchema = buildCommand<Record<never, never>, [], Context>({
  docs: help({
    brief: "Print the JSON Schema of the manifest",
    text: "Editors complete and check a manifest.json with it.",
    examples: [
      ["volant docs schema > manifest.schema.json", "Give it to an editor"],
    ],
  }),
  parameters: {},
  async func() {
    const { manifestJsonSchema } = await import(
      "../../manifest/json_schema.ts"
    );
    this.out.json(manifestJsonSchema());
  },
});

export const docsFledge = buildCommand<Record<never, never>, [], Context>({
  docs: help({
    brief: "Print the page of fledge.toml's keys",
    examples: [["volant docs fledge | less", "Look up a key"]],
  }),
  parameters: {},
  async func() {
    const { fledgeReferencePage } = await import(
      "../../builder/reference_page.ts"
    );
    this.out.raw(fledgeReferencePage());
  },
});
