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
/** Cloud Hypervisor adds the port to its vsock; all other names are shorter. */
const LONGEST_SOCKET = "vsock.sock_65535";
/** SQLite's ids go on, but no number of JavaScript is exact beyond. */
const VM_ID_MAX = 2 ** 53;

/**
 * Throws `invalid-input` unless the sockets of all VMs there ever will be fit
 * below `runtimeDir`. It is asked once, when the daemon starts: a VM that exists
 * can then always be found, ended and deleted.
 */
export function checkRuntimeDir(runtimeDir: string): void {
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  const { path } = runDir(runtimeDir, VM_ID_MAX);
  const room = SOCKET_PATH_MAX - bytes(`${path}/${LONGEST_SOCKET}`) +
    bytes(runtimeDir);
  if (bytes(runtimeDir) <= room) return;
  throw new Fault(
    "invalid-input",
    `Cannot use runtime directory "${runtimeDir}": it has ${
      bytes(runtimeDir)
    } bytes, but the paths of its sockets leave it ${room}`,
    { hint: "Set VOLANT_RUNTIME_DIR to a shorter path" },
  );
}

export function runDir(runtimeDir: string, vmId: number): RunDir {
  return runDirAt(`${runtimeDir}/vms/${vmId}`);
}

export function runDirAt(path: string): RunDir {
  return {
    path,
    monitorConf: `${path}/monitor.conf`,
    monitorSocket: `${path}/monitor.sock`,
    monitorState: `${path}/monitor.state`,
    bootConfig: `${path}/boot.conf`,
  };
}
