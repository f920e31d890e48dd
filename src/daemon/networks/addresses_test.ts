import assert from "node:assert/strict";
import { AddressPool, chooseAddress } from "./addresses.ts";
import { parseSubnet } from "./subnet.ts";

const subnet = parseSubnet("192.168.127.0/24");

function choose(taken: readonly string[], wanted?: string): string {
  return chooseAddress(subnet, "web", { taken: new Set(taken), wanted });
}

Deno.test("the lowest free address is meant as a number", () => {
  assert.equal(choose([]), "192.168.127.2");
  assert.equal(choose(["192.168.127.2", "192.168.127.4"]), "192.168.127.3");
  const to9 = [2, 3, 4, 5, 6, 7, 8, 9].map((n) => `192.168.127.${n}`);
  assert.equal(choose(to9), "192.168.127.10");
  assert.equal(choose([...to9, "10.0.0.1"]), "192.168.127.10");
});

Deno.test("network, gateway and broadcast address go to no VM", () => {
  const small = parseSubnet("10.0.0.0/29");
  const taken = new Set<string>();
  const given: string[] = [];
  for (let n = 0; n < 5; n++) {
    const address = chooseAddress(small, `vm${n}`, { taken });
    given.push(address);
    taken.add(address);
  }
  assert.deepEqual(given, [2, 3, 4, 5, 6].map((n) => `10.0.0.${n}`));
  assert.throws(() => chooseAddress(small, "more", { taken }), {
    code: "no-free-address",
    message:
      'Cannot create VM "more": all 5 addresses of 10.0.0.0/29 are held by VMs, running or not',
    hint: /larger --subnet/,
  });
});

Deno.test("an address that is asked for is given, or refused by name", () => {
  assert.equal(choose([], "192.168.127.254"), "192.168.127.254");
  assert.throws(() => choose(["192.168.127.9"], "192.168.127.9"), {
    code: "address-in-use",
    message: /with address 192\.168\.127\.9: another VM holds it/,
  });
});

const impossible = [
  ["192.168.127.1", /host's own/],
  ["192.168.127.0", /whole subnet/],
  ["192.168.127.255", /whole subnet/],
  ["192.168.128.2", /not in the subnet 192\.168\.127\.0\/24/],
  ["192.168.127.02", /no IPv4 address/],
] as const;

for (const [wanted, message] of impossible) {
  Deno.test(`no VM can have ${wanted}`, () => {
    assert.throws(() => choose([], wanted), {
      code: "invalid-input",
      message,
      hint: "Ask for one from 192.168.127.2 to 192.168.127.254, or for none",
    });
  });
}

Deno.test("an address that is reserved goes to nobody else until it is let go of", () => {
  const pool = new AddressPool(subnet);
  assert.equal(pool.reserve("a", { taken: [] }), "192.168.127.2");
  assert.equal(pool.reserve("b", { taken: [] }), "192.168.127.3");
  assert.throws(
    () => pool.reserve("c", { taken: [], wanted: "192.168.127.3" }),
    { code: "address-in-use" },
  );
  // That of `a` was written down, that of `b` never.
  pool.letGo("192.168.127.2");
  pool.letGo("192.168.127.3");
  const taken = ["192.168.127.2"];
  assert.equal(pool.reserve("c", { taken }), "192.168.127.3");
});
