/**
 * Asks a workload whether it is well, from the host, over HTTP.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";
import type { Networks } from "../networks/registry.ts";
import type { Vm } from "./vm.ts";

export type Health = "starting" | "healthy" | "unhealthy";

export interface HealthTarget {
  readonly url: string;
  /** How long it may take to be well for the first time. */
  readonly timeoutMs: number;
  readonly intervalMs: number;
}

/** Pauses before the first answer: from this, doubling, to that. */
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 250;
/** One answer may take so long. */
const ANSWER_MS = 5000;

/** What to ask; undefined when the manifest asks for no check the host can make. */
export function healthTarget(
  { config, lease }: Pick<Vm, "config" | "lease">,
  networks: Networks,
): HealthTarget | undefined {
  const { health_check, workload } = config.manifest;
  if (health_check === undefined || workload?.base_url === undefined) {
    return undefined;
  }
  if (!URL.canParse(workload.base_url)) return undefined;
  const base = new URL(workload.base_url);
  const port = base.port === "" ? 80 : Number(base.port);
  const at = networks[lease.mode].reach(lease, port);
  if (base.protocol !== "http:" || at === undefined) return undefined;
  const path = joinPath(base.pathname, health_check.endpoint);
  return {
    url: `http://${at.host}:${at.port}${path}`,
    timeoutMs: health_check.timeout_ms,
    intervalMs: health_check.interval_ms,
  };
}

/** Tells each change of health from `first` on, until the signal aborts. */
export async function watchHealth(
  target: HealthTarget,
  first: Health,
  tell: (health: Health) => void,
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now();
  let wait = FIRST_PAUSE_MS;
  let last = first;
  while (!signal.aborted) {
    const well = await answers(target.url, signal);
    const late = performance.now() - start > target.timeoutMs;
    const now: Health = well
      ? "healthy"
      : last === "starting" && !late
      ? "starting"
      : "unhealthy";
    if (now !== last && !signal.aborted) tell(now);
    last = now;
    const next = now === "starting" ? wait : target.intervalMs;
    wait = Math.min(wait * 2, LONGEST_PAUSE_MS);
    await pause(next, signal).catch(() => {
      // Told to end: the loop sees the signal.
    });
  }
}

async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
      redirect: "manual",
    });
    await response.body?.cancel();
    return response.status >= 200 && response.status < 400;
  } catch {
    // Not listening yet, or not any more: that is the answer.
    return false;
  }
}

function joinPath(base: string, endpoint: string): string {
  return `${base.replace(/\/$/, "")}/${endpoint.replace(/^\//, "")}`;
}
