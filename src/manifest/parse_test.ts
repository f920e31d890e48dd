/**
 * The reader of manifests: what it accepts, in which form it hands it on, and
 * what it says about what it refuses.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import {
  checkManifest,
  parseManifest,
  parseManifestTemplate,
} from "./parse.ts";

const HEX = "0123456789abcdef".repeat(4);

const SMALLEST = {
  name: "web",
  version: "1",
  initramfs: { url: "web.cpio" },
  workload: { entrypoint: ["/bin/web"] },
};

function faultOf(act: () => unknown): Fault {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return error;
  }
  assert.fail("nothing was thrown");
}

function refusal(change: Record<string, unknown>): Fault {
  const fault = faultOf(() => checkManifest({ ...SMALLEST, ...change }, "it"));
  assert.equal(fault.code, "invalid-manifest");
  return fault;
}

Deno.test("a manifest gets its defaults", () => {
  assert.deepEqual(checkManifest(SMALLEST, "it"), {
    schema_version: "v1",
    name: "web",
    version: "1",
    runtime: "web",
    enabled: true,
    initramfs: { url: "web.cpio" },
    disks: [],
    resources: { cpu_cores: 1, memory_mb: 256, disk_mb: 10_240 },
    workload: {
      entrypoint: ["/bin/web"],
      args: [],
      env: {},
      restart: "no",
      stop_signal: "SIGTERM",
      grace_ms: 10_000,
      groups: [],
      rlimits: {},
    },
    network: { expose: [] },
    actions: {},
    agent: "lazy",
    ephemeral: false,
    labels: { "volant.plugin": "web", "volant.runtime": "web" },
  });
});

Deno.test("a manifest that was read and written is read the same again", () => {
  const once = checkManifest({
    ...SMALLEST,
    rootfs: { url: "/srv/a.img", checksum: HEX, format: "QCOW2" },
    workload: {
      ...SMALLEST.workload,
      user: "1000:1000",
      rlimits: { nofile: 10, core: { soft: 0, hard: "unlimited" } },
      stop_signal: 2,
    },
    cloud_init: { user_data: "#cloud-config\n" },
    devices: { pci_passthrough: ["0000:01:00.0"] },
    init: { path: "/sbin/init" },
    kernel: { cmdline: "loglevel=7" },
  }, "it");
  assert.deepEqual(
    parseManifest(JSON.stringify(once), { name: "m", format: "json" }),
    once,
  );
  assert.equal(once.rootfs?.checksum, `sha256:${HEX}`);
  assert.equal(once.rootfs?.format, "qcow2");
  assert.equal(once.workload?.stop_signal, "SIGINT");
  assert.deepEqual(once.workload?.rlimits.nofile, { soft: 10, hard: 10 });
});

Deno.test("a manifest as the original encoded it is accepted", () => {
  const manifest = checkManifest({
    schema_version: "1.0",
    name: " browser ",
    version: "2.0.0",
    runtime: "",
    rootfs: { url: "https://example.org/b.img", checksum: `SHA256:${HEX}` },
    initramfs: { url: "", checksum: "" },
    disks: null,
    image: "",
    resources: { cpu_cores: 2, memory_mb: 2048 },
    actions: {
      navigate: {
        description: "Go",
        method: "post",
        path: "/v1/navigate",
        timeout_ms: 60000,
      },
    },
    health_check: { endpoint: "", timeout_ms: 0 },
    workload: {
      type: "HTTP",
      base_url: "http://127.0.0.1:3000",
      entrypoint: ["/usr/bin/node", "", " x "],
      env: { "KEEP": "  spaces  " },
      workdir: "",
    },
    cloud_init: {
      datasource: "NoCloud",
      seed_mode: "VFAT",
      user_data: { inline: true, content: "#cloud-config\n", path: "" },
      meta_data: { inline: false, content: "", path: "meta.yaml" },
      network_config: { inline: false, content: "", path: "" },
    },
    network: {
      mode: "Bridged",
      subnet: "10.1.0.0/24",
      gateway: "10.1.0.1",
      auto_assign: true,
    },
    devices: { pci_passthrough: [], allowlist: ["10de:*"] },
    enabled: false,
    openapi: "",
    labels: { tier: " web " },
  }, "it");
  assert.equal(manifest.name, "browser");
  assert.equal(manifest.runtime, "browser");
  assert.equal(manifest.schema_version, "v1");
  assert.equal(manifest.enabled, false);
  assert.equal(manifest.initramfs, undefined);
  assert.equal(manifest.rootfs?.format, "raw");
  assert.equal(manifest.rootfs?.checksum, `sha256:${HEX}`);
  assert.equal(manifest.health_check, undefined);
  assert.deepEqual(manifest.workload?.entrypoint, ["/usr/bin/node", "", " x "]);
  assert.equal(manifest.workload?.env["KEEP"], "  spaces  ");
  assert.equal(manifest.actions["navigate"]?.method, "POST");
  assert.deepEqual(manifest.network, { mode: "bridged", expose: [] });
  assert.deepEqual(manifest.cloud_init?.meta_data, {
    inline: false,
    path: "meta.yaml",
  });
  assert.equal(manifest.cloud_init?.network_config, undefined);
  assert.equal(manifest.cloud_init?.user_data?.content, "#cloud-config\n");
  assert.equal(manifest.labels["tier"], "web");
});

Deno.test("a manifest that the original's builder emitted is accepted", () => {
  const manifest = checkManifest({
    schema_version: "v1",
    name: "nginx",
    version: "0.1.0",
    runtime: "nginx",
    initramfs: {
      url: "file://plugin.cpio.gz",
      format: "cpio.gz",
      checksum: `sha256:${HEX}`,
    },
    resources: { cpu_cores: 1, memory_mb: 256 },
    workload: { entrypoint: "/usr/sbin/nginx", args: ["-g", "daemon off;"] },
    env: { MODE: "production" },
    network: {
      mode: "bridged",
      expose: [{ port: 80, protocol: "tcp", host_port: 8080 }],
    },
    cloud_init: { datasource: "NoCloud", meta_data: { "instance-id": "a" } },
  }, "it");
  assert.equal(manifest.initramfs?.url, "plugin.cpio.gz");
  assert.deepEqual(manifest.workload?.entrypoint, ["/usr/sbin/nginx"]);
  assert.deepEqual(manifest.workload?.args, ["-g", "daemon off;"]);
  assert.deepEqual(manifest.workload?.env, { MODE: "production" });
  assert.equal(manifest.network.expose[0]?.host_port, 8080);
  assert.equal(
    manifest.cloud_init?.meta_data?.content,
    '{"instance-id":"a"}',
  );
});

Deno.test("the environment of the workload wins over that at the top", () => {
  const { workload } = checkManifest({
    ...SMALLEST,
    env: { A: "top", B: "top" },
    workload: { entrypoint: ["/bin/web"], env: { A: "own" } },
  }, "it");
  assert.deepEqual(workload?.env, { A: "own", B: "top" });
});

Deno.test("TOML and JSON of one manifest give the same", () => {
  const toml = parseManifest(
    `name = "web"
version = "1"
[initramfs]
url = "file:///srv/a%20b.cpio"
[workload]
entrypoint = "/bin/web"
[[network.expose]]
port = 80
host_port = 0
`,
    { name: "m.toml", format: "toml" },
  );
  const json = parseManifest(
    JSON.stringify({
      ...SMALLEST,
      initramfs: { url: "/srv/a b.cpio" },
      network: { expose: [{ port: 80, host_port: 0 }] },
    }),
    { name: "m.json", format: "json" },
  );
  assert.deepEqual(toml, json);
});

Deno.test("an unknown key is told with its path and the nearest key", () => {
  const fault = refusal({ workload: { entrypont: ["/bin/web"] } });
  assert.match(fault.message, /workload\.entrypont is not a known key/);
  assert.equal(fault.hint, "Did you mean workload.entrypoint?");
  assert.match(refusal({ Lables: {} }).hint ?? "", /Did you mean labels\?/);
  const limits = { rlimits: { nofle: 1 }, entrypoint: ["/bin/web"] };
  assert.match(refusal({ workload: limits }).hint ?? "", /rlimits\.nofile/);
});

Deno.test("a wrong value is told with its path, what it is and an example", () => {
  const fault = refusal({ workload: { entrypoint: [3] } });
  assert.equal(
    fault.message,
    "Cannot read it: workload.entrypoint[0] is the number 3, not text",
  );
  assert.match(fault.hint ?? "", /"entrypoint": \["\/usr\/bin\/caddy","run"\]/);
});

Deno.test("each refusal says what is the case", () => {
  const cases: [change: Record<string, unknown>, sentence: RegExp][] = [
    [{ name: undefined }, /name is missing/],
    [{ name: "a/b" }, /name is not a name/],
    [{ version: 1 }, /version is the number 1, not text/],
    [{ initramfs: undefined }, /initramfs is missing, and so is rootfs/],
    [{ workload: undefined }, /workload is missing/],
    [{ workload: { entrypoint: [] } }, /workload\.entrypoint is empty/],
    [{ workload: { entrypoint: [""] } }, /entrypoint\[0\] is empty/],
    [{ workload: { entrypoint: ["a\0"] } }, /entrypoint\[0\] contains a NUL/],
    [{ initramfs: { url: "ftp://x/y" } }, /initramfs\.url is not an http/],
    [{ initramfs: { url: "a", checksum: "md5:1" } }, /is not a SHA-256/],
    [{ resources: { memory_mb: 0 } }, /memory_mb is 0, less than 1/],
    [{ resources: { memory_mb: 1.5 } }, /is the number 1\.5, not a whole/],
    [{ agent: "never" }, /agent is "never", not "lazy", "on" or "off"/],
    [{ network: { expose: [{ port: 70000 }] } }, /port is 70000, more than/],
    [{ network: [] }, /network is a list, not a table of keys/],
    [{ init: { path: "/a", none: true } }, /init has both path and none/],
    [{ schema_version: "v2" }, /schema_version is "v2", not "v1"/],
    [{ labels: { a: 1 } }, /labels\.a is the number 1, not text/],
    [{ cloud_init: { user_data: { content: "a", path: "b" } } }, /has both/],
    [{ env: { "A B": "1" } }, /env\["A B"\] is not the name of a variable/],
    [
      { network: { mode: "none", expose: [{ port: 1, host_port: 2 }] } },
      /host_port cannot be published/,
    ],
    [
      { workload: { entrypoint: ["/a"], type: "http" } },
      /base_url is missing, and workload\.type is "http"/,
    ],
    [
      { health_check: { endpoint: "/" } },
      /base_url is missing, and health_check needs it/,
    ],
    [
      { workload: { entrypoint: ["/a"], stop_signal: "SIGNOPE" } },
      /stop_signal is not a signal/,
    ],
    [
      { workload: { entrypoint: ["/a"], rlimits: { nofile: "many" } } },
      /rlimits\.nofile\.soft is not a number or "unlimited": "many"/,
    ],
    [
      {
        workload: {
          entrypoint: ["/a"],
          rlimits: { nofile: { soft: "unlimited", hard: 1 } },
        },
      },
      /rlimits\.nofile has a soft limit \(unlimited\) above/,
    ],
  ];
  for (const [change, sentence] of cases) {
    assert.match(refusal(change).message, sentence, JSON.stringify(change));
  }
});

Deno.test("all problems are in the details, the first in the message", () => {
  const fault = refusal({ version: 1, agent: "never", nope: true });
  assert.match(fault.message, /nope is not a known key \(and 2 more\)$/);
  const problems = fault.details["problems"];
  assert.ok(Array.isArray(problems));
  assert.deepEqual(
    problems.map((problem: { path: string }) => problem.path),
    ["nope", "version", "agent"],
  );
});

Deno.test("a problem in a TOML file is told with line and column", () => {
  const text = 'name = "web"\nversion = "1"\n\n[workload]\n  restrat = "no"\n';
  const fault = faultOf(() =>
    parseManifest(text, { name: "web.toml", format: "toml" })
  );
  assert.match(
    fault.message,
    /^Cannot read manifest "web\.toml": line 5, column 3: workload\.restrat is not/,
  );
});

Deno.test("broken TOML and JSON are told with their place", () => {
  const toml = faultOf(() =>
    parseManifest('a = "x"\nb = \n', { name: "b.toml", format: "toml" })
  );
  assert.match(toml.message, /"b\.toml": line 2, column 5: /);
  const json = faultOf(() =>
    parseManifest('{"name": "web"', { name: "b.json", format: "json" })
  );
  assert.match(json.message, /"b\.json": it is not JSON: .*line 1 column/);
});

Deno.test("a template needs no artifact, and all else as a manifest", () => {
  const text =
    'name = "web"\nversion = "1"\nworkload.entrypoint = "/bin/web"\n';
  const source = { name: "manifest.toml", format: "toml" } as const;
  assert.equal(parseManifestTemplate(text, source).initramfs, undefined);
  assert.throws(() => parseManifest(text, source), /nothing to boot/);
  assert.throws(
    () => parseManifestTemplate('name = "web"\nversion = "1"\n', source),
    /workload is missing/,
  );
});

Deno.test("names of prototypes are keys like any other", () => {
  assert.match(
    faultOf(() =>
      parseManifest('{"__proto__": {"name": "x"}, "version": "1"}', {
        name: "m",
        format: "json",
      })
    ).message,
    /__proto__ is not a known key|name is missing/,
  );
  const { workload } = checkManifest(
    JSON.parse(
      JSON.stringify(SMALLEST).replace(
        '["/bin/web"]',
        '["/bin/web"],"env":{"constructor":"x"}',
      ),
    ),
    "it",
  );
  assert.equal(workload?.env["constructor"], "x");
});
