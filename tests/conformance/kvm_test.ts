/**
 * The same suite where KVM works: run in the emulated host, by
 * `tests/harness/emulated_host.ts`.
 */

import assert from "node:assert/strict";
import { TmpVolant } from "../harness/tmp_volant.ts";
import { testConformance } from "./conformance.ts";
import { KVM_SUBJECTS } from "./subject.ts";

Deno.test("doctor and daemon find by themselves that KVM works", async () => {
  await using volant = await TmpVolant.start();
  const doctor = await volant.json("doctor");
  const kvm = doctor.checks.find(({ name }: { name: string }) =>
    name === "kvm"
  );
  assert.deepEqual([kvm.status, kvm.found], ["ok", "a probe guest booted"]);
  const { hypervisor } = await volant.json("system", "info");
  assert.equal(hypervisor.accelerator, "kvm");
});

for (const subject of KVM_SUBJECTS) testConformance(subject);
