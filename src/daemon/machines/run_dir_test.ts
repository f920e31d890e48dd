import assert from "node:assert/strict";
import { checkRuntimeDir, runDir } from "./run_dir.ts";

/** 107 bytes, less "/vms/9007199254740992/vsock.sock_65535". */
const ROOM = 69;

Deno.test("checkRuntimeDir() takes a folder whose longest socket just fits", () => {
  checkRuntimeDir("/run/volant");
  checkRuntimeDir(`/${"x".repeat(ROOM - 1)}`);
});

Deno.test("checkRuntimeDir() counts bytes, and says how many there may be", () => {
  assert.throws(() => checkRuntimeDir(`/${"x".repeat(ROOM)}`), {
    code: "invalid-input",
    message: /it has 70 bytes, but the paths of its sockets leave it 69/,
  });
  assert.throws(() => checkRuntimeDir(`/${"\u00e4".repeat(ROOM / 2 + 1)}`), {
    code: "invalid-input",
  });
});

Deno.test("runDir() names the folder of a VM wherever it is", () => {
  const far = `/${"x".repeat(200)}`;
  assert.equal(runDir(far, 7).monitorSocket, `${far}/vms/7/monitor.sock`);
});
