import assert from "node:assert/strict";
import { isVmName } from "../manifest/values.ts";
import { nameAfter } from "./vm_names.ts";

Deno.test("nameAfter() makes a DNS label of whatever an image is called", () => {
  const random = Uint8Array.of(0, 25, 26, 255);
  const cases: Readonly<Record<string, string>> = {
    nginx: "nginx-azav",
    "Busy_Box 1.2": "busy-box-1-2-azav",
    "9front": "front-azav",
    "--": "vm-azav",
    "": "vm-azav",
    "\u00e9t\u00e9": "t-azav",
    ["x".repeat(80)]: `${"x".repeat(58)}-azav`,
    [`${"x".repeat(57)}-y`]: `${"x".repeat(57)}-azav`,
  };
  for (const [what, name] of Object.entries(cases)) {
    assert.equal(nameAfter(what, random), name);
    assert.ok(isVmName(name), name);
  }
  assert.match(nameAfter("web"), /^web-[a-z]{4}$/);
  assert.notEqual(nameAfter("web") + nameAfter("web"), "web".repeat(2));
});
