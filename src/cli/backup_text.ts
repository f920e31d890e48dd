/**
 * How a backup is shown to people.
 *
 * @module
 */

import type { BackupReport } from "../backup/verify.ts";
import { formatBytes } from "./format.ts";
import type { Output } from "./output.ts";

/** `3 VMs and 1 plugin`. */
export function countsOf({ vms, plugins }: BackupReport): string {
  const count = (number: number, word: string) =>
    `${number} ${word}${number === 1 ? "" : "s"}`;
  return `${count(vms.length, "VM")} and ${count(plugins.length, "plugin")}`;
}

export function showReport(report: BackupReport, out: Output): void {
  if (report.vms.length > 0) {
    out.table(
      ["VM", "STATUS", "SIZE", "STORED"],
      report.vms.map(({ name, status, size, stored }) => [
        name,
        status,
        formatBytes(size),
        formatBytes(stored),
      ]),
    );
    out.line("");
  }
  out.fields([
    ["made", `${report.created_at}, by Volant ${report.volant}`],
    ["plugins", report.plugins.join(", ")],
    ["artifacts", artifactWord(report)],
    ["files", `${report.files}, ${formatBytes(report.stored)}`],
  ]);
  for (const digest of report.missing_artifacts) {
    out.line(`needs ${digest}`);
  }
}

function artifactWord(
  { artifacts, missing_artifacts: missing }: BackupReport,
): string {
  if (missing.length === 0) return String(artifacts.length);
  return `${artifacts.length}, ${missing.length} of them not in it`;
}

/** Tells a terminal which file is being read. */
export function progressOf(out: Output, verb: string): {
  readonly onEntry: (path: string) => void;
  readonly done: () => void;
} {
  let count = 0;
  return {
    onEntry: (path) => out.status(`${verb} ${path} (${++count}) ...`),
    done: () => out.status(""),
  };
}
