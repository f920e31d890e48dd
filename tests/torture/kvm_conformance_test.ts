/**
 * Every driver that can use KVM, where KVM works: the conformance suite in the
 * emulated host. It takes some minutes on a quiet host, and four times as long
 * on a busy one.
 */

import assert from "node:assert/strict";
import { testInEmulatedHost } from "../harness/emulated_host.ts";

const LIMIT_SECONDS = 2400;

Deno.test("with KVM, drivers do all that is asked of them", async () => {
  const { status, output } = await testInEmulatedHost(
    "tests/conformance/kvm_test.ts",
    LIMIT_SECONDS,
  );
  assert.equal(status, 0, output);
  assert.match(output, /^ok \| 3 passed/m, "all of them ran");
});
