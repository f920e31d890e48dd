/**
 * Fetches an artifact by its URL: as many tries as the rules allow, each going
 * on where the last one ended. What one try does is in `transfer.ts`, which
 * addresses it may connect to in `addresses.ts`.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";
import {
  BrokenOff,
  type DownloadRules,
  failed,
  Transfer,
  type TransferOptions,
} from "./transfer.ts";

export const DOWNLOAD_RULES: DownloadRules = {
  allowLoopback: false,
  bytesMax: 64 * 1024 ** 3,
  idleMs: 60_000,
  pausesMs: [500, 2_000],
};

/**
 * The digest of what was written to `target`. Throws `download-failed`,
 * `file-not-found`, `invalid-input`, `disk-full`.
 */
export async function download(options: TransferOptions): Promise<string> {
  const { url, target, rules, signal } = options;
  using file = await Deno.open(target, { write: true });
  const transfer = new Transfer(file, options);
  for (let failures = 0;; failures++) {
    try {
      const digest = await transfer.attempt();
      await file.sync();
      return digest;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof BrokenOff)) throw error;
      const waitMs = rules.pausesMs[failures];
      if (waitMs === undefined) {
        throw failed(url, `${error.message}; tried ${failures + 1} times`, {
          cause: error,
        });
      }
      await pause(waitMs, signal);
    }
  }
}
