import assert from "node:assert/strict";
import { nameServers } from "./dns.ts";

Deno.test("nameServers() leaves out what a guest cannot reach", () => {
  const text = [
    "# nameserver 10.9.9.9",
    "search example.org",
    "nameserver 127.0.0.53",
    "nameserver ::1",
    "nameserver fe80::1%eth0",
    "nameserver 0.0.0.0",
    "  nameserver\t192.0.2.53",
    "nameserver 192.0.2.53",
    "nameserver 192.0.2.54 # second",
  ].join("\n");
  assert.deepEqual(nameServers(text), ["192.0.2.53", "192.0.2.54"]);
});

Deno.test("nameServers() names at most three", () => {
  const text = [1, 2, 3, 4].map((n) => `nameserver 10.0.0.${n}\n`).join("");
  assert.deepEqual(nameServers(text), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
  assert.deepEqual(nameServers(""), []);
});
