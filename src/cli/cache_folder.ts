/**
 * Where the builder keeps what it would otherwise make or fetch again.
 *
 * @module
 */

import { folders } from "../lib/folders.ts";

/** VOLANT_CACHE, else `volant` in the user's cache, else a part of the state. */
export function cacheFolder(
  env: (name: string) => string | undefined,
): string {
  const named = env("VOLANT_CACHE");
  if (named) return named;
  const base = env("XDG_CACHE_HOME") ||
    (env("HOME") && `${env("HOME")}/.cache`);
  return base ? `${base}/volant` : `${folders(env).stateDir}/cache`;
}
