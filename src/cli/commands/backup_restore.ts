/**
 * `volant backup restore`: a backup becomes the state directory of a daemon.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { backupFault } from "../../backup/backup_fault.ts";
import { restoreBackup } from "../../backup/restore.ts";
import { folders } from "../../lib/folders.ts";
import { readBackupFile } from "../backup_file.ts";
import { countsOf, progressOf } from "../backup_text.ts";
import type { Context } from "../context.ts";
import { help, JSON_FLAG } from "../flags.ts";
import { anyFile } from "../proposals.ts";
import { stopOnSignals } from "../signals.ts";

interface Flags {
  readonly json?: boolean;
  readonly stateDir?: string;
}

export const backupRestore = buildCommand<Flags, [string], Context>({
  docs: help({
    brief: "Put a backup where a daemon that is started then finds it",
    text: [
      "Needs a state directory that is not there or empty, and no daemon on it. The backup is",
      "unpacked beside it and checked whole; then it is put in place in one step. The daemon",
      "that is started there knows every VM; those that ran come back by their restart policy.",
    ].join("\n"),
    examples: [
      [
        "volant backup restore volant.backup",
        "Restore and then start the daemon",
      ],
      [
        "volant backup restore --state-dir /srv/volant volant.backup",
        "Restore elsewhere; start with VOLANT_STATE_DIR=/srv/volant",
      ],
    ],
    exits: [
      ["65", "it is damaged, was broken off, or is of a newer Volant"],
      ["73", "the state directory is not empty, or a daemon holds it"],
      ["74", "the disk is full"],
    ],
  }),
  parameters: {
    flags: {
      json: JSON_FLAG,
      stateDir: {
        kind: "parsed",
        parse: String,
        proposeCompletions: anyFile,
        optional: true,
        placeholder: "DIR",
        brief: "DIR: the state directory (or VOLANT_STATE_DIR)",
      },
    },
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
  async func({ json, stateDir }, path) {
    using stop = stopOnSignals();
    const given = stateDir ?? folders((name) => this.env(name)).stateDir;
    const target = given.replace(/(?<=.)\/+$/, "");
    const { onEntry, done } = progressOf(this.out, "restoring");
    try {
      const report = await restoreBackup(readBackupFile(path, stop.signal), {
        stateDir: target,
        keepsOwners: Deno.uid() === 0,
        onEntry,
      });
      done();
      if (json) return this.out.json({ ...report, state_dir: target });
      this.out.line(`Restored ${countsOf(report)} to ${target}`);
      for (const digest of report.missing_artifacts) {
        this.out.note(
          `${digest} was not in the backup: put the file in ${target}/artifacts/sha256`,
        );
      }
    } catch (error) {
      done();
      throw backupFault("restore", path, error);
    }
  },
});
