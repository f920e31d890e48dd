import assert from "node:assert/strict";
import { linkNames, parseLinks } from "./links.ts";

Deno.test("parseLinks() reads a port of a bridge, and a device that is real", () => {
  const json = JSON.stringify([
    {
      ifname: "vbr0-1",
      flags: ["NO-CARRIER", "BROADCAST", "UP"],
      master: "vbr0",
      address: "d2:3a:98:a6:d4:7f",
      linkinfo: {
        info_kind: "tun",
        info_slave_kind: "bridge",
        info_slave_data: { isolated: true },
      },
    },
    {},
    { ifname: "eth0", flags: ["BROADCAST"], ifalias: "uplink" },
  ]);
  assert.deepEqual(parseLinks(json), [
    {
      name: "vbr0-1",
      mac: "d2:3a:98:a6:d4:7f",
      alias: "",
      kind: "tun",
      master: "vbr0",
      isUp: true,
      isIsolated: true,
    },
    {
      name: "eth0",
      mac: "",
      alias: "uplink",
      kind: "",
      master: "",
      isUp: false,
      isIsolated: false,
    },
  ]);
  assert.deepEqual(parseLinks(""), []);
});

Deno.test("linkNames() knows the loopback device", async () => {
  assert.ok((await linkNames()).has("lo"));
});
