import assert from "node:assert/strict";
import { hasNetAdmin } from "./capabilities.ts";

Deno.test("hasNetAdmin() reads one bit of the effective capabilities", () => {
  const status = (hex: string) =>
    `CapPrm:\t000001ffffffffff\nCapEff:\t${hex}\n`;
  assert.equal(hasNetAdmin(status("000001ffffffffff")), true);
  assert.equal(hasNetAdmin(status("0000000000001000")), true);
  assert.equal(hasNetAdmin(status("000001ffffffefff")), false);
  assert.equal(hasNetAdmin(status("0000000000000000")), false);
  assert.equal(hasNetAdmin("Name:\tx\n"), false);
});
