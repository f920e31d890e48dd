/**
 * Where Volant keeps its things on a host.
 *
 * The state directory survives a reboot, the runtime directory need not. Both
 * the daemon and its clients ask here, so that they meet at the same socket.
 *
 * @module
 */

import { Fault } from "./fault.ts";

export interface Folders {
  /** Database, artifacts, logs: /var/lib/volant, or the user's state home. */
  readonly stateDir: string;
  /** Sockets and run directories: /run/volant, or the user's runtime dir. */
  readonly runtimeDir: string;
  /** The API's Unix socket. */
  readonly socketPath: string;
}

/**
 * Reads VOLANT_STATE_DIR, VOLANT_RUNTIME_DIR, VOLANT_SOCKET and the XDG ones; an
 * empty one is as none.
 */
export function folders(
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
  isRoot: boolean = Deno.uid() === 0,
): Folders {
  const given = (name: string) => env(name) || undefined;
  const stateDir = given("VOLANT_STATE_DIR") ??
    (isRoot ? "/var/lib/volant" : userStateDir(env));
  const runtimeDir = given("VOLANT_RUNTIME_DIR") ??
    (given("VOLANT_STATE_DIR") !== undefined
      // A daemon with a state of its own shares nothing with another.
      ? `${stateDir}/run`
      : isRoot
      ? "/run/volant"
      : userRuntimeDir(env, stateDir));
  const socketPath = given("VOLANT_SOCKET") ?? `${runtimeDir}/volant.sock`;
  return { stateDir, runtimeDir, socketPath };
}

function userStateDir(env: (name: string) => string | undefined): string {
  const base = env("XDG_STATE_HOME");
  if (base) return `${base}/volant`;
  const home = env("HOME");
  if (home) return `${home}/.local/state/volant`;
  throw new Fault(
    "invalid-input",
    "Cannot find a state directory: neither VOLANT_STATE_DIR, XDG_STATE_HOME nor HOME is set",
    { hint: "Set VOLANT_STATE_DIR to a folder of your own" },
  );
}

/** Without XDG_RUNTIME_DIR a folder below the state: /tmp is everybody's. */
function userRuntimeDir(
  env: (name: string) => string | undefined,
  stateDir: string,
): string {
  const base = env("XDG_RUNTIME_DIR");
  return base ? `${base}/volant` : `${stateDir}/run`;
}
