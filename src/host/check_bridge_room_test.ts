import assert from "node:assert/strict";
import { bridgeOwner, freeSubnet } from "./check_bridge_room.ts";
import { parseCidr } from "../lib/ipv4.ts";
import type { UsedRange } from "./routes.ts";

function link(kind: string, alias?: string): string {
  return JSON.stringify([
    { ifname: "vbr0", ifalias: alias, linkinfo: { info_kind: kind } },
  ]);
}

Deno.test("a bridge says in its alias whose it is", () => {
  const dir = "/var/lib/volant";
  assert.equal(bridgeOwner("", dir), "nobody's");
  assert.equal(bridgeOwner(link("bridge", `volant ${dir}`), dir), "ours");
  assert.equal(
    bridgeOwner(link("bridge", "volant /srv/other"), dir),
    "the bridge of /srv/other",
  );
  assert.equal(
    bridgeOwner(link("bridge", "volant /volant"), dir),
    "the bridge of /volant",
  );
  assert.match(bridgeOwner(link("bridge"), dir), /no daemon of Volant made/);
  assert.equal(bridgeOwner(link("veth"), dir), "it is no bridge");
  assert.equal(bridgeOwner('[{"ifname":"vbr0"}]', dir), "it is no bridge");
});

Deno.test("an alias has the end of a long path only", () => {
  const dir = `/${"long/".repeat(60)}state`;
  const alias = `volant ${dir.slice(-240)}`;
  assert.equal(bridgeOwner(link("bridge", alias), dir), "ours");
});

Deno.test("a subnet is offered that nothing overlaps", () => {
  const used = (...ranges: readonly string[]): UsedRange[] =>
    ranges.map((text) => {
      const cidr = parseCidr(text);
      assert.ok(cidr);
      return { cidr, device: "eth0", kind: "route" };
    });
  assert.equal(freeSubnet([], "vbr0"), "10.87.0.0/24");
  assert.equal(freeSubnet(used("10.0.0.0/8"), "vbr0"), "172.29.87.0/24");
  assert.equal(freeSubnet(used("10.0.0.0/8"), "eth0"), "10.87.0.0/24");
  const all = used(
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
  );
  assert.equal(freeSubnet(all, "vbr0"), undefined);
});
