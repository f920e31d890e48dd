import assert from "node:assert/strict";
import type { VmConfig, VmExit } from "../../api/vms.ts";
import { comesBack, planAfterEnd, restartPolicy } from "./restart_policy.ts";
import type { Vm } from "./vm.ts";

const AT = "2026-01-01T00:00:00.000Z";

function vm(restart: VmConfig["restart"], more: Partial<Vm> = {}): Vm {
  const config = { manifest: {}, restart } as VmConfig;
  return {
    config,
    wanted: "running",
    restarts: 0,
    status: "stopped",
    bootId: "a",
    ...more,
  } as Vm;
}

function exit(cause: string, status?: number): VmExit {
  return {
    cause,
    forced: false,
    at: AT,
    ...(status !== undefined && { status }),
  };
}

Deno.test("a VM is started again by its policy, whatever ended its machine", () => {
  const again = (policy: VmConfig["restart"], end: VmExit) =>
    planAfterEnd(vm(policy), end, 0).restartAt !== undefined;
  const ends: [VmExit, boolean][] = [
    [exit("exited", 0), true],
    [exit("stopped"), true],
    [exit("exited", 3), false],
    [exit("vmm-crashed"), false],
    [exit("guest-panic"), false],
    [exit("monitor-lost"), false],
  ];
  for (const [end, isWell] of ends) {
    assert.equal(again("no", end), false, end.cause);
    assert.equal(again("always", end), true, end.cause);
    assert.equal(again("on-failure", end), !isWell, end.cause);
  }
});

Deno.test("what a user stopped stays stopped", () => {
  const stopped = vm("always", { wanted: "stopped" });
  assert.equal(planAfterEnd(stopped, exit("killed"), 0).restartAt, undefined);
  assert.equal(comesBack(stopped, "b"), false);
});

Deno.test("the pauses double up to a minute, and a minute of running forgives", () => {
  const seconds = (restarts: number, ranMs: number) => {
    const plan = planAfterEnd(
      vm("always", { restarts }),
      exit("vmm-crashed"),
      ranMs,
    );
    return [
      (Date.parse(plan.restartAt ?? "") - Date.parse(AT)) / 1000,
      plan.restarts,
    ];
  };
  assert.deepEqual(seconds(0, 10), [1, 1]);
  assert.deepEqual(seconds(1, 10), [2, 2]);
  assert.deepEqual(seconds(5, 10), [32, 6]);
  assert.deepEqual(seconds(6, 10), [60, 7]);
  assert.deepEqual(seconds(1e6, 10), [60, 1e6 + 1]);
  assert.deepEqual(seconds(9, 60_000), [1, 1]);
});

Deno.test("after the host was started anew nothing is waited for", () => {
  const plan = planAfterEnd(
    vm("on-failure", { restarts: 7 }),
    exit("host-rebooted"),
    5,
  );
  assert.deepEqual(plan, { restarts: 0, restartAt: AT });
});

Deno.test("a VM comes back on another boot of the host, unless its work is done", () => {
  assert.equal(comesBack(vm("always"), "a"), false, "the same boot");
  assert.equal(comesBack(vm("always"), "b"), true);
  assert.equal(comesBack(vm("no"), "b"), false);
  assert.equal(comesBack(vm("always", { bootId: "" }), "b"), false);
  const done = { exit: exit("exited", 0) };
  assert.equal(comesBack(vm("on-failure", done), "b"), false);
  assert.equal(comesBack(vm("always", done), "b"), true);
  // The host's own shutdown ended it, well.
  const told = { exit: exit("stopped") };
  assert.equal(comesBack(vm("on-failure", told), "b"), true);
});

Deno.test("a VM whose first start never came about is started by its policy", () => {
  const made: Partial<Vm> = { status: "pending", bootId: "" };
  assert.equal(comesBack(vm("always", made), "b"), true);
  assert.equal(comesBack(vm("no", made), "b"), false);
  assert.equal(
    comesBack(vm("always", { ...made, wanted: "stopped" }), "b"),
    false,
  );
});

Deno.test("the policy is the VM's, else its manifest's, and none where it removes itself", () => {
  const of = (config: unknown) => restartPolicy({ config: config as VmConfig });
  assert.equal(of({ manifest: {} }), "no");
  const manifest = { workload: { restart: "always" } };
  assert.equal(of({ manifest }), "always");
  assert.equal(of({ manifest, restart: "no" }), "no");
  assert.equal(of({ manifest, auto_remove: true }), "no");
});
