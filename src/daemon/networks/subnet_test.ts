import assert from "node:assert/strict";
import { formatIpv4 } from "../../lib/ipv4.ts";
import { gatewayOf, parseBridgeName, parseSubnet, roomIn } from "./subnet.ts";

Deno.test("a subnet's first address is the host's, and two more are nobody's", () => {
  const subnet = parseSubnet("192.168.127.0/24");
  assert.equal(formatIpv4(gatewayOf(subnet)), "192.168.127.1");
  assert.equal(roomIn(subnet), 253);
  assert.equal(roomIn(parseSubnet("10.0.0.8/29")), 5);
  assert.equal(roomIn(parseSubnet("10.0.0.0/30")), 1);
});

const refused = [
  ["10.0.0.0", /no IPv4 subnet/, /10\.87\.0\.0\/24/],
  ["fd00::/64", /no IPv4 subnet/, /10\.87\.0\.0\/24/],
  ["10.0.0.0/31", /prefix is not from \/8 to \/30/, /\/24/],
  ["10.0.0.0/7", /prefix is not from \/8 to \/30/, /\/24/],
  ["10.0.0.5/24", /an address in a subnet/, /Write 10\.0\.0\.0\/24/],
  ["172.32.0.0/16", /not within a private range/, /172\.16\.0\.0\/12/],
  ["172.0.0.0/8", /not within a private range/, /172\.16\.0\.0\/12/],
  ["127.0.0.0/8", /not within a private range/, /10\.0\.0\.0\/8/],
  ["169.254.0.0/16", /not within a private range/, /10\.0\.0\.0\/8/],
  ["224.0.0.0/24", /not within a private range/, /10\.0\.0\.0\/8/],
  ["8.8.8.0/24", /not within a private range/, /10\.0\.0\.0\/8/],
] as const;

for (const [text, message, hint] of refused) {
  Deno.test(`parseSubnet() says what is wrong with ${text}`, () => {
    assert.throws(() => parseSubnet(text), {
      code: "invalid-input",
      message,
      hint,
    });
  });
}

Deno.test("a bridge's name leaves room for the id of a VM", () => {
  assert.equal(parseBridgeName("vbr0"), "vbr0");
  for (const name of ["", "lo", "0br", "vbridge", "vb-0", "Vbr0", "vb 0"]) {
    assert.throws(() => parseBridgeName(name), { code: "invalid-input" }, name);
  }
});
