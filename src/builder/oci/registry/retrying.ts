/**
 * Trying again what may go well the next time: a registry that is busy, a
 * connection that broke off. Pauses grow, and differ from one client to the
 * next, so that many that failed together do not come back together.
 *
 * @module
 */

import { pause } from "../../../lib/deadline.ts";

export interface RetryRules {
  readonly triesMax: number;
  /** Of the first pause; each next one is twice as long. */
  readonly pauseMs: number;
  readonly pauseMsMax: number;
  /** A registry that wants more patience than this is told as a failure. */
  readonly retryAfterMsMax: number;
}

export const RETRY_RULES: RetryRules = {
  triesMax: 5,
  pauseMs: 500,
  pauseMsMax: 15_000,
  retryAfterMsMax: 60_000,
};

/** A failure that need not come again; its message ends a sentence. */
export class Transient extends Error {
  override readonly name = "Transient";
  /** What the other side asks to be waited for. */
  readonly retryAfterMs: number | undefined;
  readonly tooMany: boolean;

  constructor(
    reason: string,
    options: ErrorOptions & {
      readonly retryAfterMs?: number | undefined;
      /** It is the client that asks too much. */
      readonly tooMany?: boolean;
    } = {},
  ) {
    super(reason, options);
    this.retryAfterMs = options.retryAfterMs;
    this.tooMany = options.tooMany ?? false;
  }
}

export interface RetryOptions {
  readonly rules: RetryRules;
  readonly signal: AbortSignal;
  /** Told before each pause. */
  readonly onRetry?: ((reason: string, waitMs: number) => void) | undefined;
}

/** What `act` gives; its last `Transient` when all tries are used up. */
export async function retrying<Result>(
  act: () => Promise<Result>,
  { rules, signal, onRetry }: RetryOptions,
): Promise<Result> {
  for (let tries = 1;; tries++) {
    try {
      return await act();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Transient)) throw error;
      const waitMs = pauseAfter(tries, error, rules);
      if (waitMs === undefined) throw finalOf(error, tries);
      onRetry?.(error.message, waitMs);
      await pause(waitMs, signal);
    }
  }
}

/** How long to wait after so many tries; undefined if that was the last. */
export function pauseAfter(
  tries: number,
  { retryAfterMs = 0 }: Pick<Transient, "retryAfterMs">,
  rules: RetryRules,
  random: () => number = Math.random,
): number | undefined {
  if (tries >= rules.triesMax || retryAfterMs > rules.retryAfterMsMax) {
    return undefined;
  }
  const whole = Math.min(rules.pauseMs * 2 ** (tries - 1), rules.pauseMsMax);
  return Math.max(whole * (0.5 + random() / 2), retryAfterMs);
}

/** `Retry-After`, which is a number of seconds or a date; undefined for neither. */
export function retryAfterMs(
  value: string | null,
  nowMs: number = Date.now(),
): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

function finalOf(error: Transient, tries: number): Transient {
  const { retryAfterMs, tooMany } = error;
  const seconds = Math.ceil((retryAfterMs ?? 0) / 1000);
  const wish = seconds > 0 ? `, and wants ${seconds} seconds of pause` : "";
  const count = tries > 1 ? `; tried ${tries} times` : "";
  return new Transient(error.message + wish + count, {
    cause: error.cause ?? error,
    retryAfterMs,
    tooMany,
  });
}
