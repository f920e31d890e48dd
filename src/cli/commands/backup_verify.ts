/**
 * `volant backup verify`: whether a backup is whole, and what is in it.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { backupFault } from "../../backup/backup_fault.ts";
import { verifyBackup } from "../../backup/verify.ts";
import { readBackupFile } from "../backup_file.ts";
import { progressOf, showReport } from "../backup_text.ts";
import type { Context } from "../context.ts";
import { help, JSON_FLAG } from "../flags.ts";
import { anyFile } from "../proposals.ts";
import { stopOnSignals } from "../signals.ts";

interface Flags {
  readonly json?: boolean;
}

export const backupVerify = buildCommand<Flags, [string], Context>({
  docs: help({
    brief: "Read a backup whole, check it, and say what is in it",
    text: [
      "Needs no daemon. Every byte is compared with the digests in the backup, the database is",
      "opened and checked, and what its VMs need must be there. What is wrong is told with its place.",
    ].join("\n"),
    examples: [
      ["volant backup verify volant.backup", "Check it and list its VMs"],
      [
        "ssh elsewhere 'cat volant.backup' | volant backup verify -",
        "Check one on another host",
      ],
    ],
    exits: [["65", "it is damaged, was broken off, or is of a newer Volant"]],
  }),
  parameters: {
    flags: { json: JSON_FLAG },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: String,
        proposeCompletions: anyFile,
        placeholder: "FILE",
        brief: "The backup; - is stdin",
      }],
    },
  },
  async func({ json }, path) {
    using stop = stopOnSignals();
    const { onEntry, done } = progressOf(this.out, "checking");
    try {
      const chunks = readBackupFile(path, stop.signal);
      const report = await verifyBackup(chunks, onEntry);
      done();
      if (json) this.out.json(report);
      else showReport(report, this.out);
    } catch (error) {
      done();
      throw backupFault("verify", path, error);
    }
  },
});
