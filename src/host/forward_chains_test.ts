import assert from "node:assert/strict";
import {
  droppingChains,
  letsThrough,
  openingCommand,
} from "./forward_chains.ts";

const FORWARD = {
  family: "ip",
  table: "filter",
  name: "FORWARD",
  handle: 1,
  type: "filter",
  hook: "forward",
  prio: 0,
  policy: "drop",
};

function chains(...all: readonly object[]): string {
  return JSON.stringify({
    nftables: [{ metainfo: {} }, ...all.map((chain) => ({ chain }))],
  });
}

function rules(...all: readonly (readonly object[])[]): string {
  return JSON.stringify({
    nftables: [
      { chain: FORWARD },
      ...all.map((expr) => ({ rule: { family: "ip", expr } })),
    ],
  });
}

function match(key: string, right: string, op = "=="): object {
  return { match: { op, left: { meta: { key } }, right } };
}

const ACCEPT = { accept: null };
const COUNTER = { counter: { packets: 0, bytes: 0 } };

Deno.test("a chain is in the way if it drops what is forwarded", () => {
  const { family, table, name } = FORWARD;
  assert.deepEqual(droppingChains(chains(FORWARD)), [{ family, table, name }]);
  const others = [
    { ...FORWARD, policy: "accept" },
    { ...FORWARD, hook: "input" },
    { ...FORWARD, family: "ip6" },
    { ...FORWARD, family: "bridge" },
    { family: "inet", table: "own", name: "jumped_to" },
  ];
  assert.deepEqual(droppingChains(chains(...others)), []);
  assert.deepEqual(droppingChains(""), []);
});

Deno.test("rules let an interface through if they accept all from and to it", () => {
  const from = [match("iifname", "vbr0"), ACCEPT];
  const to = [match("oifname", "vbr0"), COUNTER, ACCEPT];
  assert.ok(letsThrough(rules(from, to), "vbr0"));
  assert.ok(!letsThrough(rules(from), "vbr0"));
  assert.ok(!letsThrough(rules(to), "vbr0"));
  assert.ok(!letsThrough(rules(from, to), "vbr1"));
  assert.ok(!letsThrough(rules(), "vbr0"));
});

Deno.test("a rule that accepts some of an interface does not let it through", () => {
  const from = [match("iifname", "vbr0"), ACCEPT];
  const partly = [match("oifname", "vbr0"), match("iifname", "eth0"), ACCEPT];
  const others = [match("oifname", "vbr0", "!="), ACCEPT];
  const dropped = [match("oifname", "vbr0"), { drop: null }];
  for (const rule of [partly, others, dropped]) {
    assert.ok(!letsThrough(rules(from, rule), "vbr0"));
  }
});

Deno.test("a chain is opened with the program that made it", () => {
  assert.equal(
    openingCommand(FORWARD, "vbr0"),
    "iptables -I FORWARD -i vbr0 -j ACCEPT && iptables -I FORWARD -o vbr0 -j ACCEPT",
  );
  assert.equal(
    openingCommand({ ...FORWARD, family: "inet", name: "forward" }, "vbr0"),
    "nft insert rule inet filter forward iifname vbr0 accept && nft insert rule inet filter forward oifname vbr0 accept",
  );
});
