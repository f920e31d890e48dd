import assert from "node:assert/strict";
import { Firewall } from "./firewall.ts";
import type { Guest } from "./firewall_rules.ts";
import type { NetworkPrograms } from "./programs.ts";

/** An nft that keeps scripts, and refuses those `refuses` says. */
function fakeNft(refuses: (script: string, round: number) => boolean) {
  const scripts: string[] = [];
  const programs: NetworkPrograms = {
    ip: () => Promise.reject(new Error("not asked")),
    nft(script) {
      scripts.push(script);
      const bad = refuses(script, scripts.length);
      return Promise.resolve({
        status: bad ? 1 : 0,
        stdout: "",
        stderr: bad ? "Error: no such table" : "",
      });
    },
  };
  return { scripts, firewall: new Firewall(programs, "vbr0") };
}

function guest(id: number): Guest {
  return {
    tap: `vbr0-${id}`,
    mac: "02:00:00:00:00:01",
    ip: `10.0.0.${id}`,
    isOpen: false,
    publish: [],
  };
}

const isWhole = (script: string) => script.includes("delete table");

Deno.test("tables are laid down before the first guest, then only elements change", async () => {
  const { scripts, firewall } = fakeNft(() => false);
  await firewall.add(guest(1));
  await firewall.add(guest(2));
  await firewall.remove(guest(1));
  assert.deepEqual(scripts.map(isWhole), [true, false, false, false]);
  assert.match(scripts[3] ?? "", /^delete element inet volant_vbr0 guests/m);
  await firewall.remove(guest(1));
  assert.equal(scripts.length, 4, "one that is not there costs nothing");
});

Deno.test("guests that come together are one change", async () => {
  const { scripts, firewall } = fakeNft(() => false);
  await firewall.lay([]);
  await Promise.all([1, 2, 3].map((id) => firewall.add(guest(id))));
  assert.equal(scripts.length, 2);
});

Deno.test("tables that somebody flushed come back with all guests", async () => {
  const { scripts, firewall } = fakeNft((_, round) => round === 2);
  await firewall.lay([guest(1)]);
  await firewall.add(guest(2));
  assert.deepEqual(scripts.map(isWhole), [true, false, true, false]);
  assert.match(scripts[2] ?? "", /10\.0\.0\.1/);
  assert.match(scripts[3] ?? "", /10\.0\.0\.2/);
});

Deno.test("tables that are gone when looked for are laid down again, with all guests", async () => {
  const { scripts, firewall } = fakeNft((_, round) => round === 2);
  await firewall.lay([guest(1)]);
  let told = 0;
  await firewall.look(() => told += 1);
  assert.equal(told, 1);
  assert.deepEqual(scripts.map(isWhole), [true, false, false, true]);
  assert.match(scripts[1] ?? "", /^list chain inet volant_vbr0 to_host$/m);
  assert.match(scripts[2] ?? "", /^list chain bridge volant_vbr0 from_guest$/m);
  assert.match(scripts[3] ?? "", /10\.0\.0\.1/);
});

Deno.test("tables that are there are left, those that could not be laid are laid", async () => {
  const scripts: string[] = [];
  let status = 1;
  const firewall = new Firewall({
    ip: () => Promise.reject(new Error("not asked")),
    nft(script) {
      scripts.push(script);
      return Promise.resolve({ status, stdout: "drop", stderr: "" });
    },
  }, "vbr0");
  const look = () => firewall.look(() => assert.fail("nobody flushed them"));
  await assert.rejects(firewall.lay([guest(1)]));
  status = 0;
  await look();
  await look();
  assert.deepEqual(scripts.map(isWhole), [true, true, false, false]);
});

Deno.test("guests that are expected are laid down with the next that comes", async () => {
  const { scripts, firewall } = fakeNft(() => false);
  firewall.expect([guest(1)]);
  await firewall.add(guest(2));
  assert.match(scripts[0] ?? "", /10\.0\.0\.1/);
});

Deno.test("one guest that is refused does not keep the others out", async () => {
  const { scripts, firewall } = fakeNft((script) =>
    script.includes("10.0.0.2")
  );
  await firewall.lay([]);
  const results = await Promise.allSettled(
    [1, 2, 3].map((id) => firewall.add(guest(id))),
  );
  assert.deepEqual(results.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  assert.equal(firewall.hasGuestAt("10.0.0.3"), true);
  assert.equal(firewall.hasGuestAt("10.0.0.2"), false);
  assert.ok(scripts.length > 0);
});

Deno.test("guests that run are not forgotten when the tables could not be laid down", async () => {
  const { scripts, firewall } = fakeNft((_, round) => round === 1);
  await assert.rejects(firewall.lay([guest(1)]), {
    code: "network-unavailable",
  });
  await firewall.add(guest(2));
  assert.match(scripts[1] ?? "", /10\.0\.0\.1/);
});
