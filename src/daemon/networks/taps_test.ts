import assert from "node:assert/strict";
import type { Link } from "./links.ts";
import { linkNames } from "./links.ts";
import type { NetworkPrograms } from "./programs.ts";
import { batchLines, tapName, Taps, whatIsWrong } from "./taps.ts";

const port: Link = {
  name: "vbr0-1",
  mac: "",
  alias: "",
  kind: "tun",
  master: "vbr0",
  isUp: true,
  isIsolated: true,
};
const wanted = { isIsolated: true };

Deno.test("a TAP's name is that of the bridge and the VM's id, within 15 characters", () => {
  assert.equal(tapName("vbr0", 12), "vbr0-12");
  assert.equal(tapName("bridge", 99_999_999).length, 15);
  assert.throws(() => tapName("bridge", 100_000_000), {
    code: "network-unavailable",
  });
});

Deno.test("a TAP comes up only once it is kept apart", () => {
  const lines = batchLines("vbr0", { name: "vbr0-1", wanted }, false)
    .map(({ line }) => line);
  assert.deepEqual(lines, [
    "tuntap add dev vbr0-1 mode tap vnet_hdr",
    "link set dev vbr0-1 master vbr0",
    "link set dev vbr0-1 type bridge_slave isolated on",
    "link set dev vbr0-1 addrgenmode none",
    "link set dev vbr0-1 up",
  ]);
});

Deno.test("a TAP that is there is not made again, one that is not is not removed", () => {
  const make = { name: "vbr0-1", wanted: { isIsolated: false } };
  assert.match(batchLines("vbr0", make, true)[1]?.line ?? "", /isolated off$/);
  assert.doesNotMatch(JSON.stringify(batchLines("vbr0", make, true)), /tuntap/);
  const remove = { name: "vbr0-1", wanted: undefined };
  assert.deepEqual(batchLines("vbr0", remove, false), []);
  assert.deepEqual(batchLines("vbr0", remove, true), [
    { name: "vbr0-1", line: "link delete dev vbr0-1" },
  ]);
});

Deno.test("what is read back must be as it was asked for", () => {
  const job = { name: "vbr0-1", wanted };
  assert.equal(whatIsWrong(job, true, port), undefined);
  assert.match(whatIsWrong(job, false, undefined) ?? "", /cannot be made/);
  assert.match(whatIsWrong(job, true, undefined) ?? "", /no port/);
  assert.match(
    whatIsWrong(job, true, { ...port, kind: "veth" }) ?? "",
    /no TAP/,
  );
  assert.match(
    whatIsWrong(job, true, { ...port, isIsolated: false }) ?? "",
    /kept apart/,
  );
  assert.match(whatIsWrong(job, true, { ...port, isUp: false }) ?? "", /up/);
  const gone = { name: "vbr0-1", wanted: undefined };
  assert.equal(whatIsWrong(gone, false, undefined), undefined);
  assert.match(whatIsWrong(gone, true, port) ?? "", /cannot be removed/);
});

Deno.test("one device that cannot be made is told by its own words", async () => {
  assert.equal((await linkNames()).has("zz-1"), false);
  const programs: NetworkPrograms = {
    ip: () =>
      Promise.resolve({
        status: 1,
        stdout: "[]",
        stderr: "first trouble\nCommand failed -:1\nsecond\nCommand failed -:6",
      }),
    nft: () => Promise.reject(new Error("not asked")),
  };
  const taps = new Taps(programs, "zz");
  const results = await Promise.allSettled([
    taps.add("zz-1", true),
    taps.add("zz-2", true),
  ]);
  assert.deepEqual(
    results.map((each) => each.status === "rejected" && each.reason.message),
    [
      'Cannot use bridged networking: interface "zz-1" cannot be made: first trouble',
      'Cannot use bridged networking: interface "zz-2" cannot be made: second',
    ],
  );
});
