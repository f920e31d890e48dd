/**
 * Asking for a daemon again that went away: machines outlive it, so whoever
 * follows one waits for the next daemon.
 *
 * @module
 */

import { pause } from "../lib/deadline.ts";
import { Fault } from "../lib/fault.ts";

/** How often a lost daemon is asked for before it is given up. */
const RECONNECTS = 60;
export const RECONNECT_PAUSE_MS = 1_000;

/**
 * Whether a request failed because the daemon ended: it says so, breaks its
 * answer off, or cannot be reached; the client has one fault for all three.
 */
export function isLost(error: unknown): boolean {
  return error instanceof Fault && error.code === "daemon-unavailable";
}

/** What `connect` gives, which throws a fault for as long as there is no daemon. */
export async function reconnect<T>(
  connect: () => Promise<T>,
  pauseMs: number = RECONNECT_PAUSE_MS,
  signal?: AbortSignal,
): Promise<T> {
  for (let tries = 1;; tries++) {
    await pause(pauseMs, signal);
    try {
      return await connect();
    } catch (error) {
      if (!isLost(error) || tries >= RECONNECTS) throw error;
    }
  }
}
