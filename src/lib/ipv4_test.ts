import assert from "node:assert/strict";
import {
  contains,
  firstOf,
  formatCidr,
  formatIpv4,
  lastOf,
  overlaps,
  parseCidr,
  parseIpv4,
} from "./ipv4.ts";

function cidr(text: string) {
  const parsed = parseCidr(text);
  assert.ok(parsed, text);
  return parsed;
}

Deno.test("parseIpv4() and formatIpv4() undo each other, to the highest address", () => {
  for (
    const text of ["0.0.0.0", "10.0.0.1", "192.168.127.2", "255.255.255.255"]
  ) {
    assert.equal(formatIpv4(parseIpv4(text) ?? -1), text);
  }
});

Deno.test("parseIpv4() takes nothing that only looks like an address", () => {
  for (
    const text of [
      "",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.-4",
      "a.b.c.d",
      " 1.2.3.4",
    ]
  ) {
    assert.equal(parseIpv4(text), undefined, text);
  }
});

Deno.test("parseCidr() wants a prefix length of at most 32", () => {
  assert.equal(formatCidr(cidr("10.1.2.3/32")), "10.1.2.3/32");
  for (const text of ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08"]) {
    assert.equal(parseCidr(text), undefined, text);
  }
});

Deno.test("a range goes from its first address to its last, whichever names it", () => {
  const range = cidr("192.168.127.77/29");
  assert.equal(formatIpv4(firstOf(range)), "192.168.127.72");
  assert.equal(formatIpv4(lastOf(range)), "192.168.127.79");
  assert.equal(contains(range, lastOf(range)), true);
  assert.equal(contains(range, lastOf(range) + 1), false);
});

Deno.test("overlaps() sees ranges within each other, and neighbours as apart", () => {
  assert.equal(overlaps(cidr("10.0.0.0/8"), cidr("10.9.0.0/16")), true);
  assert.equal(overlaps(cidr("10.9.0.0/16"), cidr("10.0.0.0/8")), true);
  assert.equal(overlaps(cidr("10.0.0.0/25"), cidr("10.0.0.128/25")), false);
  assert.equal(overlaps(cidr("255.0.0.0/8"), cidr("255.255.255.255/32")), true);
});
