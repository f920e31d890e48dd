/**
 * What the original accepted is accepted: a manifest for each key and each
 * spelling its decoder took. And what is refused here says where and what to
 * write instead.
 */

import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import type { Manifest } from "./manifest.ts";
import { checkManifest } from "./parse.ts";

const HEX = "0123456789abcdef".repeat(4);
const DIGEST = `sha256:${HEX}`;
const FILE = { url: "https://example.org/a.img" };

/** As the original wanted it: every key it required. */
const ORIGINAL = {
  name: "web",
  version: "1",
  runtime: "web",
  initramfs: FILE,
  resources: { cpu_cores: 1, memory_mb: 64 },
  workload: {
    type: "http",
    base_url: "http://127.0.0.1:80",
    entrypoint: ["/bin/web"],
  },
  enabled: true,
};
const { workload } = ORIGINAL;

type Change = Readonly<Record<string, unknown>>;
type Look = (manifest: Manifest) => unknown;

const ACCEPTED: Readonly<Record<string, [Change, Look, unknown]>> = {
  "schema_version absent": [{}, (m) => m.schema_version, "v1"],
  "schema_version 1.0": [
    { schema_version: " 1.0 " },
    (m) => m.schema_version,
    "v1",
  ],
  "schema_version V1": [
    { schema_version: "V1" },
    (m) => m.schema_version,
    "v1",
  ],
  "name with spaces around": [{ name: " web " }, (m) => m.name, "web"],
  "name with case, dots and marks": [
    { name: "My_Plugin.v2" },
    (m) => m.name,
    "My_Plugin.v2",
  ],
  "version with spaces around": [{ version: " 1 " }, (m) => m.version, "1"],
  "runtime absent": [{ runtime: undefined }, (m) => m.runtime, "web"],
  "runtime blank": [{ runtime: " " }, (m) => m.runtime, "web"],
  "runtime of its own": [{ runtime: " go " }, (m) => m.runtime, "go"],
  "rootfs by https": [{ rootfs: FILE }, (m) => m.rootfs?.url, FILE.url],
  "rootfs by http": [
    { rootfs: { url: "http://a/b" } },
    (m) => m.rootfs?.url,
    "http://a/b",
  ],
  "rootfs by file://": [
    { rootfs: { url: " file:///srv/a%20b " } },
    (m) => m.rootfs?.url,
    "/srv/a b",
  ],
  "rootfs by path": [
    { rootfs: { url: "/srv/a" } },
    (m) => m.rootfs?.url,
    "/srv/a",
  ],
  "rootfs without format": [{ rootfs: FILE }, (m) => m.rootfs?.format, "raw"],
  "rootfs.format in any case": [
    { rootfs: { ...FILE, format: " QCOW2 " } },
    (m) => m.rootfs?.format,
    "qcow2",
  ],
  "rootfs.format raw": [
    { rootfs: { ...FILE, format: "Raw" } },
    (m) => m.rootfs?.format,
    "raw",
  ],
  "rootfs.format blank": [
    { rootfs: { ...FILE, format: "" } },
    (m) => m.rootfs?.format,
    "raw",
  ],
  "rootfs empty but for its default format": [
    { rootfs: { url: "", checksum: "", format: "raw" } },
    (m) => m.rootfs,
    undefined,
  ],
  "rootfs with a checksum and an empty url": [
    { rootfs: { url: "", checksum: DIGEST } },
    (m) => m.rootfs,
    undefined,
  ],
  "rootfs and initramfs": [
    { rootfs: FILE },
    (m) => [m.rootfs?.url, m.initramfs?.url],
    [FILE.url, FILE.url],
  ],
  "checksum with prefix": [
    { initramfs: { ...FILE, checksum: DIGEST } },
    (m) => m.initramfs?.checksum,
    DIGEST,
  ],
  "checksum without prefix": [
    { initramfs: { ...FILE, checksum: ` ${HEX} ` } },
    (m) => m.initramfs?.checksum,
    DIGEST,
  ],
  "checksum in capitals": [
    { initramfs: { ...FILE, checksum: `SHA256:${HEX.toUpperCase()}` } },
    (m) => m.initramfs?.checksum,
    DIGEST,
  ],
  "checksum blank": [
    { initramfs: { ...FILE, checksum: "" } },
    (m) => m.initramfs?.checksum,
    undefined,
  ],
  "disks": [
    {
      disks: [{
        name: " data ",
        source: " /srv/d ",
        checksum: HEX,
        format: " RAW ",
        readonly: true,
        target: " vdb ",
      }],
    },
    (m) => m.disks,
    [{
      name: "data",
      source: "/srv/d",
      checksum: DIGEST,
      format: "raw",
      readonly: true,
      target: "vdb",
    }],
  ],
  "disks with blanks": [
    { disks: [{ name: "d", source: "/d", format: "", target: "" }] },
    (m) => m.disks,
    [{ name: "d", source: "/d", format: "raw", readonly: false }],
  ],
  "disks null": [{ disks: null }, (m) => m.disks, []],
  "image and image_digest of any text": [
    { image: " a:b ", image_digest: " md5:1 " },
    (m) => [m.image, m.image_digest],
    ["a:b", "md5:1"],
  ],
  "resources": [
    { resources: { cpu_cores: 2, memory_mb: 2048 } },
    (m) => [m.resources.cpu_cores, m.resources.memory_mb],
    [2, 2048],
  ],
  "actions with spaces and a blank one": [
    {
      actions: {
        " go ": { description: " Go ", method: " post ", path: " v1/go " },
        " ": { method: "", path: "" },
      },
    },
    (m) => m.actions,
    { go: { description: "Go", method: "POST", path: "/v1/go" } },
  ],
  "an action's timeout of none": [
    { actions: { go: { method: "GET", path: "/", timeout_ms: 0 } } },
    (m) => m.actions["go"]?.timeout_ms,
    0,
  ],
  "health_check empty": [
    { health_check: { endpoint: "", timeout_ms: 0 } },
    (m) => m.health_check,
    undefined,
  ],
  "health_check without its slash": [
    { health_check: { endpoint: "healthz", timeout_ms: 100 } },
    (m) => [m.health_check?.endpoint, m.health_check?.timeout_ms],
    ["/healthz", 100],
  ],
  "workload.type in any case": [
    { workload: { ...workload, type: " HTTP " } },
    (m) => m.workload?.type,
    "http",
  ],
  "workload.base_url in capitals": [
    { workload: { ...workload, base_url: " HTTP://localhost " } },
    (m) => m.workload?.base_url,
    "HTTP://localhost",
  ],
  "workload.entrypoint as one string": [
    { workload: { ...workload, entrypoint: "/bin/a b" } },
    (m) => m.workload?.entrypoint,
    ["/bin/a b"],
  ],
  "workload.env with names to trim": [
    { workload: { ...workload, env: { " A ": " 1 ", " ": "x" } } },
    (m) => m.workload?.env,
    { A: " 1 " },
  ],
  "workload.env null": [
    { workload: { ...workload, env: null } },
    (m) => m.workload?.env,
    {},
  ],
  "workload.workdir without its slash": [
    { workload: { ...workload, workdir: " srv " } },
    (m) => m.workload?.workdir,
    "/srv",
  ],
  "cloud_init with its defaults": [
    { cloud_init: {} },
    (m) => m.cloud_init,
    { datasource: "NoCloud", seed_mode: "vfat" },
  ],
  "cloud_init with documents": [
    {
      cloud_init: {
        datasource: "nocloud",
        seed_mode: " VFAT ",
        user_data: { inline: true, content: "a", path: "" },
        meta_data: { inline: false, content: "", path: " m.yaml " },
        network_config: { inline: true, content: "" },
      },
    },
    (m) => m.cloud_init,
    {
      datasource: "NoCloud",
      seed_mode: "vfat",
      user_data: { inline: true, content: "a" },
      meta_data: { inline: false, path: "m.yaml" },
    },
  ],
  "network.mode bridged": [
    { network: { mode: " Bridged " } },
    (m) => m.network.mode,
    "bridged",
  ],
  "network.mode vsock": [
    { network: { mode: "VSOCK" } },
    (m) => m.network.mode,
    "vsock",
  ],
  "network.mode dhcp": [
    { network: { mode: "dhcp" } },
    (m) => m.network.mode,
    "dhcp",
  ],
  "network with what was never used": [
    {
      network: {
        mode: "bridged",
        subnet: "10.0.0.0/24",
        gateway: "10.0.0.1",
        auto_assign: true,
      },
    },
    (m) => m.network,
    { mode: "bridged", expose: [] },
  ],
  "devices": [
    { devices: { pci_passthrough: ["01:00.0"], allowlist: ["10de:*"] } },
    (m) => m.devices,
    { pci_passthrough: ["0000:01:00.0"], allowlist: ["10de:*"] },
  ],
  "devices null": [
    { devices: { pci_passthrough: null, allowlist: null } },
    (m) => m.devices,
    { pci_passthrough: [], allowlist: [] },
  ],
  "enabled absent": [{ enabled: undefined }, (m) => m.enabled, true],
  "enabled false": [{ enabled: false }, (m) => m.enabled, false],
  "openapi": [{ openapi: " /o.json " }, (m) => m.openapi, "/o.json"],
  "openapi blank": [{ openapi: "" }, (m) => m.openapi, undefined],
  "labels": [
    { labels: { Team: " a ", "volant.plugin": "x" } },
    (m) => m.labels,
    { Team: "a", "volant.plugin": "web", "volant.runtime": "web" },
  ],
  "keys in any case": [
    {
      RESOURCES: { CPU_Cores: 3, Memory_MB: 96 },
      Initramfs: { URL: "/a", Checksum: HEX, Format: "cpio.gz" },
      Disks: [{ Name: "d", Source: "/d", ReadOnly: true }],
      Actions: { Go: { Method: "get", Path: "/" } },
      Network: { Mode: "bridged", Gateway: "10.0.0.1" },
      Cloud_Init: { User_Data: { Inline: true, Content: "a" } },
      initramfs: undefined,
      resources: undefined,
    },
    (m) => [
      m.resources.cpu_cores,
      m.resources.memory_mb,
      m.initramfs,
      m.disks[0]?.readonly,
      m.actions,
      m.network.mode,
      m.cloud_init?.user_data?.content,
    ],
    [
      3,
      96,
      { url: "/a", checksum: DIGEST },
      true,
      { Go: { method: "GET", path: "/" } },
      "bridged",
      "a",
    ],
  ],
  "names of one's own keep their case": [
    {
      Env: { Path: "a", PATH: "b" },
      labels: { Name: "x", name: "y" },
    },
    (m) => [m.workload?.env, m.labels["Name"], m.labels["name"]],
    [{ Path: "a", PATH: "b" }, "x", "y"],
  ],
};

function manifestWith(change: Change): unknown {
  const whole = { ...ORIGINAL, ...change };
  // As it arrives: JSON knows no undefined.
  return JSON.parse(JSON.stringify(whole));
}

for (const [what, [change, look, wanted]] of Object.entries(ACCEPTED)) {
  Deno.test(`the original's ${what} is accepted`, () => {
    const manifest = checkManifest(manifestWith(change), "it");
    assert.deepEqual(look(manifest), wanted);
    assert.deepEqual(checkManifest(manifest, "it"), manifest, "read again");
  });
}

/** Path of the key, what is said of it, and a word of the remedy. */
const REFUSED: Readonly<Record<string, [Change, string, RegExp, RegExp]>> = {
  "no name": [{ name: " " }, "name", /is empty/, /"name": "web"/],
  "a name that is no file name": [
    { name: "a/b" },
    "name",
    /is not a name/,
    /for example/,
  ],
  "no version": [{ version: undefined }, "version", /is missing/, /"1\.0\.0"/],
  "an unknown key": [
    { workloads: {} },
    "workloads",
    /is not a known key/,
    /Did you mean workload\?/,
  ],
  "an unknown key that is near to none": [
    { zzzzzz: 1 },
    "zzzzzz",
    /is not a known key/,
    /the keys here are schema_version, name/,
  ],
  "an unknown key far below": [
    { disks: [{ name: "d", source: "/d", read_only: true }] },
    "disks[0].read_only",
    /is not a known key/,
    /Did you mean disks\[0\]\.readonly\?/,
  ],
  "one key twice, in two cases": [
    { Version: "2" },
    "Version",
    /is not a known key/,
    /Did you mean version\?/,
  ],
  "a schema of the future": [
    { schema_version: "v2" },
    "schema_version",
    /is "v2", not "v1"/,
    /"schema_version": "v1"/,
  ],
  "nothing to boot": [
    { initramfs: undefined },
    "initramfs",
    /is missing, and so is rootfs/,
    /volant build/,
  ],
  "a url of another scheme": [
    { initramfs: { url: "ftp://a/b" } },
    "initramfs.url",
    /is not an http/,
    /absolute path/,
  ],
  "a mistyped url": [
    { initramfs: { ulr: "/a" } },
    "initramfs.ulr",
    /is not a known key/,
    /initramfs\.url/,
  ],
  "a checksum without its file": [
    { initramfs: { checksum: DIGEST } },
    "initramfs.url",
    /is missing/,
    /absolute path/,
  ],
  "another algorithm": [
    { initramfs: { ...FILE, checksum: `sha512:${HEX}${HEX}` } },
    "initramfs.checksum",
    /is not a SHA-256/,
    /for example "checksum": "sha256:/,
  ],
  "an MD5 that looks like a checksum": [
    { rootfs: { ...FILE, checksum: HEX.slice(0, 32) } },
    "rootfs.checksum",
    /is not a SHA-256/,
    /"sha256:/,
  ],
  "a format that is none": [
    { rootfs: { ...FILE, format: "vmdk" } },
    "rootfs.format",
    /is "vmdk", not "raw", "qcow2"/,
    /"format": "erofs"/,
  ],
  "a disk without source": [
    { disks: [{ name: "d" }] },
    "disks[0].source",
    /is missing/,
    /absolute path/,
  ],
  "two disks of one name": [
    { disks: [{ name: "d", source: "/a" }, { name: "d", source: "/b" }] },
    "disks[1].name",
    /another disk has already/,
    /a name of its own/,
  ],
  "no memory": [
    { resources: { cpu_cores: 1, memory_mb: 0 } },
    "resources.memory_mb",
    /is 0, less than 1/,
    /"memory_mb": 512/,
  ],
  "a number as text": [
    { resources: { cpu_cores: "2" } },
    "resources.cpu_cores",
    /not a/,
    /"cpu_cores": 2/,
  ],
  "an action without method": [
    { actions: { go: { path: "/" } } },
    "actions.go.method",
    /is missing/,
    /"method": "POST"/,
  ],
  "a method that is none": [
    { actions: { go: { method: "FETCH", path: "/" } } },
    "actions.go.method",
    /is not a method of HTTP/,
    /"method": "POST"/,
  ],
  "another type of workload": [
    { workload: { ...workload, type: "grpc" } },
    "workload.type",
    /is "grpc", not "http"/,
    /"type": "http"/,
  ],
  "a base_url that is none": [
    { workload: { ...workload, base_url: "localhost" } },
    "workload.base_url",
    /is not an http/,
    /http:\/\/127\.0\.0\.1:80/,
  ],
  "http without base_url": [
    { workload: { type: "http", entrypoint: ["/a"] } },
    "workload.base_url",
    /is missing/,
    /http:\/\/127\.0\.0\.1:80/,
  ],
  "no entrypoint": [
    { workload: { ...workload, entrypoint: [] } },
    "workload.entrypoint",
    /is empty/,
    /"entrypoint": \[/,
  ],
  "no workload": [
    { workload: undefined },
    "workload",
    /is missing: there is nothing to run/,
    /"entrypoint"/,
  ],
  "a variable that is no text": [
    { workload: { ...workload, env: { A: 1 } } },
    "workload.env.A",
    /is the number 1, not text/,
    /Environment variables/,
  ],
  "a data source that is not there": [
    { cloud_init: { datasource: "Ec2" } },
    "cloud_init.datasource",
    /is "Ec2", not "NoCloud"/,
    /"NoCloud"/,
  ],
  "a document that is both text and file": [
    { cloud_init: { user_data: { content: "a", path: "b" } } },
    "cloud_init.user_data",
    /has both content and path/,
    /User data; for example/,
  ],
  "text that is said to be a file": [
    { cloud_init: { user_data: { inline: false, content: "a" } } },
    "cloud_init.user_data",
    /inline does not agree/,
    /User data; for example/,
  ],
  "a network that is none": [
    { network: { mode: "nat" } },
    "network.mode",
    /is "nat", not "user", "bridged"/,
    /"mode": "user"/,
  ],
  "a device that is none": [
    { devices: { pci_passthrough: ["gpu"] } },
    "devices.pci_passthrough[0]",
    /is not a PCI address/,
    /0000:01:00\.0/,
  ],
  "enabled as text": [
    { enabled: "yes" },
    "enabled",
    /is a string, not true or false|is text|not true or false/,
    /"enabled": true/,
  ],
  "a label that is no text": [
    { labels: { a: true } },
    "labels.a",
    /not text/,
    /Words for sorting/,
  ],
};

for (const [what, [change, path, said, remedy]] of Object.entries(REFUSED)) {
  Deno.test(`a manifest with ${what} is refused with path and remedy`, () => {
    try {
      checkManifest(manifestWith(change), "it");
    } catch (error) {
      assert.ok(error instanceof Fault, String(error));
      assert.equal(error.code, "invalid-manifest");
      const problems = error.details["problems"] as { path: string }[];
      assert.ok(problems.some((each) => each.path === path), error.message);
      assert.ok(error.message.includes(`${path} `), error.message);
      assert.match(error.message, said);
      assert.match(error.hint ?? "", remedy);
      return;
    }
    assert.fail("it was accepted");
  });
}
