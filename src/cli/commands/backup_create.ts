/**
 * `volant backup create`: all that is no image, in one file, while it runs.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { createBackup } from "../../api/backups.ts";
import { backupFault } from "../../backup/backup_fault.ts";
import { CompressingSink, type Sink } from "../../backup/plain.ts";
import { type BackupReport, verifyBackup } from "../../backup/verify.ts";
import { Fault } from "../../lib/fault.ts";
import { BackupFile, STANDARD } from "../backup_file.ts";
import { countsOf, progressOf } from "../backup_text.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help } from "../flags.ts";
import { formatBytes } from "../format.ts";
import { anyFile } from "../proposals.ts";
import { stopOnSignals } from "../signals.ts";

interface Flags extends DaemonFlags {
  readonly force?: boolean;
  readonly noCompress?: boolean;
  readonly noArtifacts?: boolean;
}

export const backupCreate = buildCommand<Flags, [string], Context>({
  docs: help({
    brief: "Back up all virtual machines and plugins while they run",
    text: [
      "Writes one file: a tar archive, compressed with Zstandard, of the database, the disks",
      "and logs of every VM and the files they boot from; cached images are not in it. A VM",
      "stands still only while its disks are copied, and they are as after a power cut. Every",
      "byte is checked before the file gets its name. It holds the environments of workloads,",
      "with what is secret in them: only its owner may read it.",
    ].join("\n"),
    examples: [
      ["volant backup create volant.backup", "Make one"],
      [
        "volant backup create - | ssh elsewhere 'cat > volant.backup'",
        "Make one on another host",
      ],
    ],
    exits: [
      ["73", "the file exists, or another backup is being made"],
      ["74", "a disk is full: that of the file or that of the VMs"],
    ],
  }),
  parameters: {
    flags: {
      ...DAEMON_FLAGS,
      force: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Replace FILE if it exists",
      },
      noCompress: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Write a plain tar archive",
      },
      noArtifacts: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Leave out the files that VMs boot from",
      },
    },
    aliases: { f: "force" },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: String,
        proposeCompletions: anyFile,
        placeholder: "FILE",
        brief: "The backup; - is stdout",
      }],
    },
  },
  async func(flags, path) {
    using stop = stopOnSignals();
    if (path === STANDARD) {
      if (this.out.stdout.isTerminal) throw toTerminal();
      const report = await receive(this, flags, standardOutput(this), stop);
      return this.out.note(`Backed up ${countsOf(report)}`);
    }
    await using file = await BackupFile.create(path, flags.force === true);
    const report = await receive(this, flags, file, stop)
      .catch((error) => {
        throw backupFault("receive", path, error);
      });
    await file.end();
    if (flags.json) return this.out.json({ ...report, bytes: file.size });
    this.out.line(
      `Backed up ${countsOf(report)} to ${path}: ${formatBytes(file.size)}`,
    );
  },
});

/** Has the daemon make it, and checks it on its way to `target`. */
async function receive(
  context: Context,
  { socket, noCompress, noArtifacts }: Flags,
  target: Pick<Sink, "write">,
  { signal }: { readonly signal: AbortSignal },
): Promise<BackupReport> {
  using client = context.connect(socket);
  const compressing = noCompress
    ? undefined
    : new CompressingSink((chunk) => target.write(chunk));
  const input = noArtifacts ? { artifacts: false } : {};
  const chunks = client.bytes(createBackup, input, signal);
  const { onEntry, done } = progressOf(context.out, "receiving");
  try {
    const passed = passing(chunks, compressing ?? target);
    const report = await verifyBackup(passed, onEntry);
    await compressing?.end();
    return report;
  } finally {
    done();
  }
}

async function* passing(
  chunks: AsyncIterable<Uint8Array>,
  sink: Pick<Sink, "write">,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await sink.write(chunk);
    yield chunk;
  }
}

function standardOutput({ out }: Context): Pick<Sink, "write"> {
  return {
    write: (chunk) => Promise.resolve(out.stdout.write(chunk)),
  };
}

function toTerminal(): Fault {
  return new Fault(
    "invalid-input",
    "Cannot write a backup to a terminal",
    { hint: "Name a file, or redirect standard output" },
  );
}
