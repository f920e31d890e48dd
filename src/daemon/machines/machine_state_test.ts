import assert from "node:assert/strict";
import { parseMachineState } from "./machine_state.ts";

Deno.test("parseMachineState() reads what a monitor writes", () => {
  const state = parseMachineState(
    [
      "version=1",
      "boot_id=2b1c",
      "monitor_pid=10",
      "monitor_start=500",
      "vmm_pid=11",
      "vmm_start=501",
      "spawned_ns=1764000000123456789",
      "guest=started",
      "restarts=2",
      "workload_status=3",
      "detail=a=b",
    ].join("\n"),
  );
  assert.deepEqual(state.vmm, { pid: 11, start: 501 });
  assert.equal(state.spawnedAt, 1764000000123.456);
  assert.equal(state.guest, "started");
  assert.equal(state.restarts, 2);
  assert.equal(state.cause, undefined);
  assert.equal(state.detail, "a=b");
});

Deno.test("parseMachineState() does not believe words it does not know", () => {
  const state = parseMachineState(
    "guest=dancing\ncause=magic\nvmm_pid=-4\nspawned_ns=1e99\nrestarts=x\n",
  );
  assert.equal(state.guest, "unknown");
  assert.equal(state.cause, undefined);
  assert.equal(state.vmm, undefined);
  assert.equal(state.spawnedAt, undefined);
  assert.equal(state.restarts, 0);
});
