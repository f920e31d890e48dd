/**
 * `volant version`: what this executable is made of.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import * as self from "../../lib/self.ts";
import type { Context } from "../context.ts";
import { help, JSON_FLAG } from "../flags.ts";

interface Flags {
  readonly json?: boolean;
}

export const version = buildCommand<Flags, [], Context>({
  docs: help({
    brief: "Show the version (also --version)",
    text:
      "Shows this program's own; `volant system info` shows that of the daemon.",
    examples: [["volant version", "Show it"]],
  }),
  parameters: { flags: { json: JSON_FLAG } },
  func({ json }) {
    const commit = self.commit();
    const version = self.version();
    const { deno, v8 } = Deno.version;
    if (json) return this.out.json({ version, commit, deno, v8 });
    const from = commit === undefined ? "" : ` (${commit.slice(0, 12)})`;
    this.out.line(`volant ${version}${from}, deno ${deno}, v8 ${v8}`);
  },
});
