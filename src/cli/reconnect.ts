/**
 * Asking for a daemon again that went away: machines outlive it, so whoever
 * follows one waits for the next daemon.
 *
 * @module
 */

import { pause } from "../lib/deadline.ts";
import { Fault } from "../lib/fault.ts";
import type { Output } from "./output.ts";

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

export interface OverDaemons {
  /** Succeeds when there is a daemon again, and what is wanted of it is there. */
  readonly connect: () => Promise<unknown>;
  /** The daemon went, and will be asked for again. */
  readonly onLost: () => void;
  readonly onBack: () => void;
  readonly signal?: AbortSignal;
  readonly pauseMs?: number;
}

/** Says on stderr that the daemon went, and that there is one again. */
export function noteDaemons(
  out: Output,
): Pick<OverDaemons, "onLost" | "onBack"> {
  return {
    onLost: () => out.note("The daemon is gone; asking for it again ..."),
    onBack: () => out.note("The daemon is back"),
  };
}

/** Does `job`, and again with the next daemon whenever one goes away meanwhile. */
export async function overDaemons<T>(
  job: () => Promise<T>,
  { connect, onLost, onBack, signal, pauseMs }: OverDaemons,
): Promise<T> {
  for (;;) {
    try {
      return await job();
    } catch (error) {
      if (signal?.aborted || !isLost(error)) throw error;
    }
    onLost();
    await reconnect(connect, pauseMs, signal);
    onBack();
  }
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
