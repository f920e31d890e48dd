import assert from "node:assert/strict";
import { linkFailure } from "./check_bridge_kernel.ts";
import { checkRight } from "./check_bridged.ts";
import { canRunGuests } from "./checks.ts";

Deno.test("who may not make bridges is told who may", () => {
  assert.equal(checkRight(true, true).status, "ok");
  assert.equal(checkRight(true, true).remedy, undefined);
  const user = checkRight(false, false);
  assert.deepEqual([user.status, user.remedy], ["warn", "sudo volant daemon"]);
  const root = checkRight(false, true);
  assert.match(root.remedy ?? "", /--cap-add NET_ADMIN/);
  assert.ok(canRunGuests([user, root]));
});

Deno.test("of several commands the one that failed is named", () => {
  const lines = ["link add name a type bridge", "link set dev a up"];
  assert.equal(
    linkFailure(lines, "Error: Unknown device type.\nCommand failed -:1\n"),
    "`ip link add name a type bridge` failed: Error: Unknown device type.",
  );
  assert.equal(linkFailure(lines, "ip: no memory\n"), "ip: no memory");
});
