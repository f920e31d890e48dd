import assert from "node:assert/strict";
import { type Cidr, parseCidr } from "../lib/ipv4.ts";
import { describeRange, inTheWayOf, usedRanges } from "./routes.ts";

const addresses = JSON.stringify([
  {},
  { ifname: "lo", addr_info: [{ local: "127.0.0.1", prefixlen: 8 }] },
  { ifname: "eth0", addr_info: [{ local: "192.0.2.2", prefixlen: 24 }] },
  { ifname: "vbr0", addr_info: [{ local: "10.87.0.1", prefixlen: 24 }] },
]);
const routes = JSON.stringify([
  { dst: "default", gateway: "192.0.2.1", dev: "eth0" },
  { dst: "0.0.0.0/1", dev: "tun0" },
  { dst: "10.200.0.0/16", dev: "tun0" },
  { dst: "10.99.0.7", dev: "tun0" },
  { type: "unreachable", dst: "10.66.0.0/16", dev: "lo" },
  { type: "broadcast", dst: "10.55.0.255", dev: "eth1" },
]);
const used = usedRanges(addresses, routes);

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  assert.ok(parsed);
  return parsed;
}

function inTheWay(subnet: string): string | undefined {
  const found = inTheWayOf(cidr(subnet), used, "vbr0");
  return found && describeRange(found);
}

Deno.test("a range in use is named with its interface", () => {
  assert.equal(inTheWay("192.0.2.0/25"), "address 192.0.2.2/24 of eth0");
  assert.equal(inTheWay("10.200.7.0/24"), "route 10.200.0.0/16 of tun0");
  assert.equal(inTheWay("10.99.0.0/24"), "route 10.99.0.7/32 of tun0");
});

Deno.test("the bridge itself, default routes and such as lead nowhere are not in the way", () => {
  assert.equal(inTheWay("10.87.0.0/24"), undefined);
  assert.equal(inTheWay("10.66.1.0/24"), undefined);
  assert.equal(inTheWay("10.55.0.0/24"), undefined);
  assert.equal(inTheWay("192.168.127.0/24"), undefined);
});

Deno.test("a host without addresses and routes uses no range", () => {
  assert.deepEqual(usedRanges("", "[]"), []);
});
