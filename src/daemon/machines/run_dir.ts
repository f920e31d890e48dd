/**
 * The run directory of one machine: the unit by which it is found again.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";

export interface RunDir {
  readonly path: string;
  readonly monitorConf: string;
  readonly monitorSocket: string;
  readonly monitorState: string;
  readonly bootConfig: string;
}

/** sun_path of unix(7) holds 108 bytes with its NUL. */
const SOCKET_PATH_MAX = 107;

export function runDir(runtimeDir: string, vmId: number): RunDir {
  return runDirAt(`${runtimeDir}/vms/${vmId}`);
}

export function runDirAt(path: string): RunDir {
  const monitorSocket = `${path}/monitor.sock`;
  if (new TextEncoder().encode(monitorSocket).length > SOCKET_PATH_MAX) {
    throw new Fault(
      "invalid-input",
      `Cannot use run directory "${path}": a socket's path may have ${SOCKET_PATH_MAX} bytes`,
      { hint: "Set VOLANT_RUNTIME_DIR to a shorter path" },
    );
  }
  return {
    path,
    monitorConf: `${path}/monitor.conf`,
    monitorSocket,
    monitorState: `${path}/monitor.state`,
    bootConfig: `${path}/boot.conf`,
  };
}
