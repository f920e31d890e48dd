import assert from "node:assert/strict";
import {
  addScript,
  deleteScript,
  type Guest,
  hasRules,
  wholeScript,
} from "./firewall_rules.ts";

const guest: Guest = {
  tap: "vbr0-7",
  mac: "02:5f:48:b1:80:e7",
  ip: "192.168.127.2",
  isOpen: false,
  publish: [],
};
const http = { host_ip: "0.0.0.0", host_port: 8080, port: 80 };
const dns = { host_ip: "127.0.0.1", host_port: 5353, port: 53 };

Deno.test("a guest is known by its device, its MAC and its address together", () => {
  assert.equal(
    addScript("vbr0", guest),
    [
      "add element inet volant_vbr0 guests { 192.168.127.2 }",
      'add element bridge volant_vbr0 guests { "vbr0-7" . 02:5f:48:b1:80:e7 . 192.168.127.2 }',
      "",
    ].join("\n"),
  );
});

Deno.test("only a guest that is open is among those that others may reach", () => {
  assert.match(
    addScript("vbr0", { ...guest, isOpen: true }),
    /^add element inet volant_vbr0 open \{ 192\.168\.127\.2 \}\nadd element bridge volant_vbr0 open \{ "vbr0-7" \}$/m,
  );
  assert.doesNotMatch(addScript("vbr0", guest), / open /);
});

Deno.test("a port is published on any address of the host, or on one", () => {
  const script = addScript("vbr0", {
    ...guest,
    publish: [{ ...http, protocol: "tcp" }, { ...dns, protocol: "udp" }],
  });
  assert.match(script, /tcp_any \{ 8080 : 192\.168\.127\.2 \. 80 \}/);
  assert.match(
    script,
    /udp_at \{ 127\.0\.0\.1 \. 5353 : 192\.168\.127\.2 \. 53 \}/,
  );
  assert.match(script, /published \{ 192\.168\.127\.2 \. tcp \. 80 \}/);
  assert.match(script, /published \{ 192\.168\.127\.2 \. udp \. 53 \}/);
});

Deno.test("a guest's port is let through once, though two of the host lead to it", () => {
  const script = addScript("vbr0", {
    ...guest,
    publish: [8080, 8081].map((host_port) => ({
      ...http,
      host_port,
      protocol: "tcp",
    })),
  });
  assert.equal(script.match(/ published /g)?.length, 1);
  assert.equal(script.match(/ tcp_any /g)?.length, 2);
});

Deno.test("a chain that was flushed has no rules", () => {
  const chain = (rule: string) =>
    `table inet volant_vbr0 {\n\tchain to_host {\n\t\ttype filter hook input priority 0; policy accept;\n${rule}\t}\n}\n`;
  assert.equal(hasRules(chain("\t\tdrop\n")), true);
  assert.equal(hasRules(chain('\t\tiifname "x" jump own_address\n')), true);
  assert.equal(hasRules(chain("")), false);
});

Deno.test("what is deleted is what was added, whether or not it is there", () => {
  const whole = { ...guest, publish: [{ ...http, protocol: "tcp" as const }] };
  const lines = deleteScript("vbr0", whole).trim().split("\n");
  const added = addScript("vbr0", whole).trim().split("\n");
  assert.deepEqual(lines.slice(0, added.length), added);
  assert.deepEqual(
    lines.slice(added.length),
    added.map((line) => line.replace(/^add/, "delete")),
  );
});

Deno.test("the tables replace those that are there, and hold all guests", () => {
  const script = wholeScript("vbr3", [guest]);
  const order = [
    "table inet volant_vbr3\ndelete table inet volant_vbr3\n",
    "table bridge volant_vbr3\ndelete table bridge volant_vbr3\n",
    "table arp volant_vbr3\ndelete table arp volant_vbr3\n",
    "table inet volant_vbr3 {",
    "table bridge volant_vbr3 {",
    "table arp volant_vbr3 {",
    addScript("vbr3", guest),
  ].map((part) => script.indexOf(part));
  assert.ok(order.every((at) => at >= 0), script);
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
  assert.doesNotMatch(script, /vbr0"/, "no other bridge is named in a rule");
});

Deno.test("every chain that decides for guests ends by dropping", () => {
  const script = wholeScript("vbr0", []);
  for (const chain of ["to_host", "through", "own_address", "between_guests"]) {
    const [, rest = ""] = script.split(`chain ${chain} {`);
    const [body = ""] = rest.split("\n  }");
    assert.match(body, /drop$/, chain);
  }
});
