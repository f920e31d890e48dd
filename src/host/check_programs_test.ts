import assert from "node:assert/strict";
import { checkOtherPrograms, checkPasst, checkQemu } from "./check_programs.ts";
import { canRunGuests } from "./checks.ts";

const checks = [
  { variable: "VOLANT_PASST", check: checkPasst, status: "warn" },
  { variable: "VOLANT_QEMU", check: checkQemu, status: "missing" },
] as const;

for (const { variable, check, status } of checks) {
  Deno.test(`a wrong ${variable} is named by the remedy`, async () => {
    const before = Deno.env.get(variable);
    Deno.env.set(variable, "/nonexistent/program");
    try {
      const found = await check();
      assert.equal(found.status, status);
      assert.match(
        found.remedy ?? "",
        new RegExp(`^name another in ${variable},`),
      );
      assert.equal(canRunGuests([found]), status === "warn");
    } finally {
      if (before === undefined) Deno.env.delete(variable);
      else Deno.env.set(variable, before);
    }
  });
}

Deno.test("the check of mke2fs says its version", async () => {
  const checks = await checkOtherPrograms();
  const mke2fs = checks.find(({ name }) => name === "mke2fs");
  assert.match(mke2fs?.found ?? "", /^\d+\.\d+\S*, \/\S*mke2fs$/);
});
