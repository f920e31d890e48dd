/** The bytes of the boot config, as the shim reads them. */

import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import {
  BOOT_CONFIG_DEFAULTS,
  type BootConfig,
  encodeBootConfig,
  fnv1a,
} from "./boot_config.ts";

const SMALL: BootConfig = { ...BOOT_CONFIG_DEFAULTS, args: ["/bin/true"] };

interface Decoded {
  readonly header: DataView;
  readonly records: readonly string[];
  readonly manifest: string;
  readonly recordsHash: number;
}

function decode(bytes: Uint8Array<ArrayBuffer>): Decoded {
  const header = new DataView(bytes.buffer);
  const end = 32 + header.getUint32(12, true);
  const records = bytes.subarray(32, end);
  const text = new TextDecoder().decode(records);
  const manifest = bytes.subarray(end, end + header.getUint32(16, true));
  assert.equal(header.getUint32(24, true), fnv1a(manifest));
  assert.ok(text.endsWith("\0"));
  return {
    header,
    records: text.slice(0, -1).split("\0"),
    manifest: new TextDecoder().decode(manifest),
    recordsHash: fnv1a(records),
  };
}

function refuses(change: Partial<BootConfig>, word: RegExp): void {
  assert.throws(
    () => encodeBootConfig({ ...SMALL, ...change }),
    (thrown) =>
      thrown instanceof Fault && thrown.code === "invalid-input" &&
      word.test(thrown.message),
    JSON.stringify(change),
  );
}

Deno.test("fnv1a() gives the published values", () => {
  assert.equal(fnv1a(new Uint8Array()), 0x811c9dc5);
  assert.equal(fnv1a(new TextEncoder().encode("a")), 0xe40c292c);
  assert.equal(fnv1a(new TextEncoder().encode("foobar")), 0xbf9cf968);
});

Deno.test("encodeBootConfig() writes the header of the contract", () => {
  const bytes = encodeBootConfig({ ...SMALL, manifest: { name: "é" } });
  const { header, recordsHash, manifest } = decode(bytes);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, 8)), "VOLANTBC");
  assert.equal(header.getUint32(8, true), 1);
  assert.equal(header.getUint32(20, true), recordsHash);
  assert.equal(header.getUint32(28, true), 0);
  assert.equal(manifest, '{"name":"é"}');
  assert.equal(bytes.length % 512, 0);
});

Deno.test("encodeBootConfig() writes every key, the values of one key together", () => {
  const { records } = decode(encodeBootConfig({
    hostname: "box",
    ip: "10.0.2.15/24",
    gateway: "10.0.2.2",
    mtu: 1400,
    dns: ["10.0.2.3", "9.9.9.9"],
    search: ["a.example"],
    hosts: ["10.0.2.2 gateway"],
    args: ["sh", "-c", "echo a=b"],
    env: { A: "1", B: "x=y" },
    cwd: "/srv",
    uid: 1000,
    gid: 100,
    groups: [4, 5],
    rlimits: [{ resource: 7, soft: 1024, hard: "unlimited" }],
    restart: "on-failure",
    backoffMs: { first: 5, longest: 50 },
    stopSignal: 2,
    graceMs: 700,
    control: "/dev/ttyS1",
    output: "/dev/ttyS2",
    off: "poweroff",
    root: {
      device: "/dev/vdb",
      fs: "erofs",
      mode: "overlay",
      state: "/dev/vdc",
    },
    manifest: undefined,
  }));
  assert.deepEqual(records, [
    "hostname=box",
    "ip=10.0.2.15/24",
    "gateway=10.0.2.2",
    "mtu=1400",
    "dns=10.0.2.3",
    "dns=9.9.9.9",
    "search=a.example",
    "host=10.0.2.2 gateway",
    "arg=sh",
    "arg=-c",
    "arg=echo a=b",
    "env=A=1",
    "env=B=x=y",
    "cwd=/srv",
    "uid=1000",
    "gid=100",
    "group=4",
    "group=5",
    "rlimit=7 1024 18446744073709551615",
    "restart=on-failure",
    "backoff_ms=5",
    "backoff_limit_ms=50",
    "stop_signal=2",
    "grace_ms=700",
    "control=/dev/ttyS1",
    "output=/dev/ttyS2",
    "off=poweroff",
    "root=/dev/vdb",
    "root_fs=erofs",
    "root_mode=overlay",
    "state=/dev/vdc",
  ]);
});

Deno.test("encodeBootConfig() leaves out what has no value", () => {
  const { records, manifest } = decode(encodeBootConfig(SMALL));
  const keys = records.map((record) => record.split("=")[0]);
  for (const key of ["ip", "gateway", "mtu", "dns", "control", "off", "root"]) {
    assert.ok(!keys.includes(key), key);
  }
  assert.equal(manifest, "");
});

Deno.test("encodeBootConfig() refuses what would be read as something else", () => {
  refuses({ args: [] }, /no command/);
  refuses({ args: ["a\0b"] }, /"arg": it contains a NUL byte/);
  refuses({ env: { A: "\0" } }, /"env": it contains a NUL byte/);
  refuses({ env: { "A=B": "" } }, /"A=B" is not a name/);
  refuses({ env: { "": "x" } }, /"" is not a name/);
  refuses({ hosts: ["1.2.3.4 a\n5.6.7.8 b"] }, /"host": .*line break/);
  refuses({ hostname: "a\nb" }, /"hostname": .*line break/);
  refuses({ uid: -1 }, /"uid": -1 is not a whole number/);
  refuses({ gid: 0xffff_ffff }, /"gid"/);
  refuses({ groups: [1.5] }, /"group"/);
  refuses({ stopSignal: 0 }, /"stop_signal"/);
  refuses({ stopSignal: 65 }, /"stop_signal"/);
  refuses({ graceMs: Infinity }, /"grace_ms"/);
  refuses({ rlimits: [{ resource: 16, soft: 0, hard: 0 }] }, /"rlimit"/);
});

Deno.test("encodeBootConfig() never shows the value of a variable", () => {
  assert.throws(
    () => encodeBootConfig({ ...SMALL, env: { TOKEN: "secret\0" } }),
    (thrown) => thrown instanceof Fault && !thrown.message.includes("secret"),
  );
});
