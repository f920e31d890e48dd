import assert from "node:assert/strict";
import { whyRefused } from "./addresses.ts";

const RULES = { allowLoopback: false, own: ["10.1.2.3", "2001:db8::3"] };

Deno.test("whyRefused() refuses what only this host reaches", () => {
  const cases: [address: string, reason: RegExp][] = [
    ["127.0.0.1", /this host itself/],
    ["127.255.0.9", /this host itself/],
    ["::1", /this host itself/],
    ["0:0:0:0:0:0:0:1", /this host itself/],
    ["::ffff:127.0.0.1", /this host itself/],
    ["::ffff:7f00:1", /this host itself/],
    ["64:ff9b::127.0.0.1", /this host itself/],
    ["::127.0.0.1", /this host itself/],
    ["10.1.2.3", /this host itself/],
    ["2001:db8:0::3", /this host itself/],
    ["169.254.169.254", /link-local/],
    ["::ffff:169.254.169.254", /link-local/],
    ["fe80::1%eth0", /link-local/],
    ["febf::1", /link-local/],
    ["fd00:ec2::254", /metadata/],
    ["100.100.100.200", /metadata/],
    ["0.0.0.0", /no address/],
    ["::", /no address/],
    ["224.0.0.1", /multicast/],
    ["ff02::1", /multicast/],
    ["255.255.255.255", /reserved/],
    ["example", /no IP address/],
  ];
  for (const [address, reason] of cases) {
    assert.match(whyRefused(address, RULES) ?? "allowed", reason, address);
  }
});

Deno.test("whyRefused() lets other machines be asked, private ones too", () => {
  const others = ["10.1.2.4", "192.168.1.1", "9.9.9.9", "2001:db8::4"];
  for (const address of [...others, "fec0::1", "fd00::1", "126.255.255.255"]) {
    assert.equal(whyRefused(address, RULES), undefined, address);
  }
});

Deno.test("whyRefused() opens this host alone when loopback is allowed", () => {
  const rules = { ...RULES, allowLoopback: true };
  for (const address of ["127.0.0.1", "::1", "10.1.2.3"]) {
    assert.equal(whyRefused(address, rules), undefined, address);
  }
  assert.match(whyRefused("169.254.169.254", rules) ?? "", /link-local/);
});
