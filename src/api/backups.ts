/**
 * The endpoint of backups.
 *
 * @module
 */

import { endpoint } from "./endpoint.ts";

export interface CreateBackupInput {
  /** Whether the files that VMs boot from are in it; default yes. */
  readonly artifacts?: boolean;
}

export const createBackup = endpoint<CreateBackupInput, Uint8Array>({
  id: "createBackup",
  method: "GET",
  path: "/api/v1/backup",
  tag: "System",
  summary:
    "Make a backup of all that is no image, as a tar archive; one without contents.json at its end was broken off",
  status: 200,
  replyType: "application/x-tar",
  faults: [
    "wrong-state",
    "file-not-found",
    "not-supported",
    "disk-full",
    "disk-failed",
    "timed-out",
  ],
});
