import assert from "node:assert/strict";
import { VM_STATUSES } from "../../api/vms.ts";
import { isLive, nextStatus, statusAfter, type Vm } from "./vm.ts";

const web = { name: "web", status: "pending" } as Vm;

Deno.test("nextStatus() names the statuses that would have been valid", () => {
  assert.throws(() => nextStatus(web, "stop"), (thrown) => {
    assert.ok(thrown instanceof Error);
    assert.match(
      thrown.message,
      /"web": it is pending, not starting or running/,
    );
    return true;
  });
});

Deno.test("a VM with a machine can always end, one without can always start", () => {
  for (const status of VM_STATUSES) {
    const [yes, no] = isLive(status)
      ? ["ended", "start"] as const
      : ["start", "ended"] as const;
    assert.notEqual(statusAfter(status, yes), undefined, status);
    assert.equal(statusAfter(status, no), undefined, status);
  }
});
