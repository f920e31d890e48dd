/**
 * Plugins, from outside: installed from a file and from a server, used by VMs,
 * disabled, replaced, removed, and their files collected.
 */

import assert from "node:assert/strict";
import { type Appliance, buildAppliance } from "./harness/appliance.ts";
import { fileServer } from "./harness/file_server.ts";
import { filesBelow, type Result, TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

const SERVES =
  'echo "<p>from $NAME" > /tmp/index.html; exec httpd -f -p 80 -h /tmp';

/** What downloads from this test's own servers need. */
const LOOPBACK = { VOLANT_ALLOW_LOOPBACK_DOWNLOADS: "1" };

function assertFault(
  { status, stdout, stderr }: Result,
  exit: number,
  sentence: RegExp,
): void {
  assert.equal(status, exit, stderr);
  assert.match(stderr.split("\n")[0] ?? "", /^error: Cannot /);
  assert.match(stderr, sentence);
  assert.match(stderr, /^hint: \S/m);
  assert.equal(stdout, "");
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await Deno.readTextFile(path));
}

/** The manifest with something else in it, in a file beside it. */
async function changed(
  { manifest }: Appliance,
  change: Readonly<Record<string, unknown>>,
): Promise<string> {
  const path = manifest.replace(/\.json$/, `.${crypto.randomUUID()}.json`);
  const value = { ...await readJson(manifest), ...change };
  await Deno.writeTextFile(path, JSON.stringify(value));
  return path;
}

/** How many files the daemon holds or takes in. */
function artifacts(volant: TmpVolant): number {
  return filesBelow(`${volant.stateDir}/artifacts`).length;
}

Deno.test("a plugin from a file serves VMs until it is disabled or removed", async (t) => {
  await using volant = await TmpVolant.start();
  const appliance = await buildAppliance(volant, {
    name: "web",
    script: SERVES,
    manifest: {
      network: { mode: "user", expose: [{ port: 80, host_port: 0 }] },
    },
    workload: { env: { NAME: "plugin" } },
  });
  const create = (name: string, ...more: string[]) =>
    volant.volant("vm", "create", name, "--plugin", "web", ...more);

  await t.step("none is there", async () => {
    assertFault(await create("a"), 66, /plugin "web" is not installed$/m);
    assert.deepEqual(await volant.json("plugin", "list"), []);
  });

  await t.step("installed, it is listed and shown", async () => {
    assert.match(
      await volant.run("plugin", "install", appliance.manifest),
      /^web 1\.0\.0 is installed\n {2}initramfs [0-9a-f]{12}\n$/,
    );
    assert.match(
      await volant.run("plugins", "list"),
      /^NAME +VERSION +ENABLED +ARTIFACT +VMS\nweb +1\.0\.0 +yes +initramfs [0-9a-f]{12} +-\n$/,
    );
    assert.equal(await volant.run("plugin", "list", "-q"), "web\n");
    assert.match(await volant.run("plugin", "show", "web"), /^ports: +80$/m);
    const shown = await volant.json("plugin", "get", "web");
    assert.match(shown.initramfs.url, /^sha256:[0-9a-f]{64}$/);
  });

  await t.step("a VM of it serves, with what its manifest says", async () => {
    const vm = JSON.parse(
      await volant.run("vm", "create", "a", "--plugin", "web", "--json"),
    );
    assert.equal(vm.plugin, "web");
    assert.equal(vm.memory_mb, 64);
    const url = `http://127.0.0.1:${vm.expose[0].host_port}/`;
    let page = "";
    await until("the page is served", async () => {
      page = await fetch(url).then((answer) => answer.text(), () => "");
      return page !== "";
    }, 60_000);
    assert.equal(page, "<p>from plugin\n");
    assert.equal(artifacts(volant), 1);
  });

  await t.step("disabled, it refuses VMs and names those it has", async () => {
    assert.equal(
      await volant.run("plugin", "disable", "web"),
      "web is disabled; VM a still uses it\n",
    );
    const refused = await create("b");
    assertFault(refused, 73, /"web" is disabled; VM "a" still uses it$/m);
    assert.match(refused.stderr, /hint: .*volant plugin enable web/);
    const manifest = await volant.request("/api/v1/plugins/web/manifest");
    assert.equal(manifest.status, 409);
    await volant.run("vm", "stop", "a", "--kill");
    await volant.run("vm", "start", "a");
    assert.equal(
      await volant.run("plugin", "enable", "web"),
      "web is enabled\n",
    );
    assert.equal((await create("b", "--no-start")).status, 0);
  });

  await t.step("removed, it is gone at once, and its VMs are not", async () => {
    assert.equal(
      await volant.run("plugin", "remove", "web"),
      "web is removed; VMs a, b still use it\n",
    );
    assertFault(
      await create("c"),
      66,
      /not installed; VMs "a", "b" still use it$/m,
    );
    assertFault(await volant.volant("plugin", "get", "web"), 66, /"web"/);
    await volant.run("vm", "start", "b");
    await volant.run("vm", "delete", "--force", "a");
    assert.equal(artifacts(volant), 1);
    await volant.run("vm", "delete", "--force", "b");
    assert.equal(artifacts(volant), 0);
  });
});

Deno.test("plugins share a file by its digest, and a new version takes the place of the old", async () => {
  await using volant = await TmpVolant.start();
  const one = await buildAppliance(volant, { name: "one", script: "sleep 99" });
  const two = await buildAppliance(volant, {
    name: "two",
    script: "sleep 98",
    manifest: { name: "one", version: "2.0.0" },
  });
  const other = await Deno.readFile(`${volant.folder}/two/two.cpio`);
  await Deno.writeFile(
    `${volant.folder}/two/two.cpio`,
    new Uint8Array([...other, ...new Uint8Array(512)]),
  );
  const unpinned = await changed(two, { initramfs: { url: "two.cpio" } });

  await volant.run("plugin", "install", one.manifest);
  await volant.run("plugin", "install", one.manifest, "--name", "copy");
  assert.equal(artifacts(volant), 1);
  await volant.run("vm", "create", "a", "--plugin", "copy", "--no-start");
  await volant.run("plugin", "remove", "copy");

  assert.match(
    await volant.run("plugin", "install", unpinned),
    /^one 2\.0\.0 is installed, in place of 1\.0\.0\n/,
  );
  assert.equal(artifacts(volant), 2, "the VM keeps the old file");
  await volant.run("vm", "delete", "a");
  assert.equal(artifacts(volant), 1);
  await volant.crashDaemon();
  assert.equal(artifacts(volant), 1);
  assert.equal((await volant.json("plugin", "list"))[0].version, "2.0.0");
  await volant.run("plugin", "remove", "one");
  assert.equal(artifacts(volant), 0);
});

Deno.test("a plugin comes from a server, verified, or not at all", async (t) => {
  await using volant = await TmpVolant.start({
    env: { ...LOOPBACK, VOLANT_DOWNLOAD_LIMIT: "16" },
  });
  const appliance = await buildAppliance(volant, {
    name: "web",
    script: "sleep 99",
  });
  const folder = `${volant.folder}/web`;
  await using server = fileServer(folder);
  const manifest = await readJson(appliance.manifest);
  const { checksum } = manifest["initramfs"] as { checksum: string };
  const install = async (initramfs: unknown) =>
    await volant.volant(
      "plugin",
      "install",
      await changed(appliance, { initramfs }),
    );

  await t.step("manifest and file, the one beside the other", async () => {
    const url = `${server.origin}/web.cpio.manifest.json`;
    assert.match(await volant.run("plugin", "install", url), /is installed/);
    await volant.run("plugin", "remove", "web");
  });

  await t.step("a transfer that breaks off goes on", async () => {
    const url = `${server.origin}/cut/web.cpio`;
    const { status, stderr } = await install({ url, checksum });
    assert.equal(status, 0, stderr);
    assert.ok(server.ranges.some((range) => range !== "bytes=0-"));
    await volant.run("plugin", "remove", "web");
  });

  const refused: Record<string, [initramfs: unknown, number, RegExp]> = {
    "another file than the checksum names": [
      {
        url: `${server.origin}/web.cpio`,
        checksum: `sha256:${"0".repeat(64)}`,
      },
      65,
      /its checksum is sha256:[0-9a-f]{64}, not sha256:0000/,
    ],
    "a body without an end": [
      { url: `${server.origin}/endless`, checksum },
      69,
      /it has more than 16777216 bytes/,
    ],
    "a redirect to link-local": [
      { url: `${server.origin}/to-metadata`, checksum },
      64,
      /169\.254\.169\.254 is link-local/,
    ],
    "http that no checksum pins": [
      { url: `${server.origin}/web.cpio` },
      64,
      /comes over http, and the manifest has no checksum/,
    ],
    "a file the server does not have": [
      { url: `${server.origin}/nothing`, checksum },
      66,
      /the server answered 404/,
    ],
    "a file that is held nowhere": [
      { url: `sha256:${"1".repeat(64)}` },
      66,
      /no file of that digest is held/,
    ],
  };
  for (const [what, [initramfs, exit, sentence]] of Object.entries(refused)) {
    await t.step(what, async () => {
      assertFault(await install(initramfs), exit, sentence);
      assert.deepEqual(await volant.json("plugin", "list"), []);
      assert.equal(artifacts(volant), 0);
    });
  }
});

Deno.test("a daemon asks its own host for nothing a manifest names", async () => {
  await using volant = await TmpVolant.start();
  const appliance = await buildAppliance(volant, {
    name: "web",
    script: "sleep 99",
  });
  await using server = fileServer(`${volant.folder}/web`);
  const checksum = `sha256:${"0".repeat(64)}`;
  const url = `${server.origin}/web.cpio`;
  const path = await changed(appliance, { initramfs: { url, checksum } });
  assertFault(
    await volant.volant("plugin", "install", path),
    64,
    /127\.0\.0\.1 is this host itself/,
  );
});

Deno.test("a daemon that is killed during an install leaves nothing of it", async () => {
  await using volant = await TmpVolant.start({ env: LOOPBACK });
  const appliance = await buildAppliance(volant, {
    name: "web",
    script: "sleep 99",
  });
  await using server = fileServer(`${volant.folder}/web`);
  const url = `${server.origin}/endless`;
  const checksum = `sha256:${"0".repeat(64)}`;
  const next = await changed(appliance, { initramfs: { url, checksum } });
  await volant.run("plugin", "install", appliance.manifest);
  const installing = volant.volant("plugin", "install", next);
  await until("something has arrived", () => artifacts(volant) > 1);
  await volant.crashDaemon();
  assert.notEqual((await installing).status, 0);
  assert.equal(artifacts(volant), 1);
  assert.equal((await volant.json("plugin", "list"))[0].version, "1.0.0");
  await volant.run("plugin", "remove", "web");
});

Deno.test("an install ends with the daemon, not with whoever asked for it", async () => {
  await using volant = await TmpVolant.start({ env: LOOPBACK });
  const appliance = await buildAppliance(volant, {
    name: "web",
    script: "sleep 99",
  });
  await using server = fileServer(`${volant.folder}/web`);
  const url = `${server.origin}/endless`;
  const checksum = `sha256:${"0".repeat(64)}`;
  const path = await changed(appliance, { initramfs: { url, checksum } });
  const asker = volant.spawn("plugin", "install", path);
  await until("something has arrived", () => artifacts(volant) > 0);
  asker.kill("SIGINT");
  const { code, stderr } = await asker.output();
  assert.equal(code, 130);
  assert.match(new TextDecoder().decode(stderr), /goes on being installed/);
  assert.equal(await volant.endDaemon("SIGTERM"), 0);
  assert.equal(artifacts(volant), 0);
  await volant.startDaemon();
  assert.deepEqual(await volant.json("plugin", "list"), []);
});

Deno.test("the API of plugins is the first Volant's, with more beside it", async (t) => {
  await using volant = await TmpVolant.start();
  const appliance = await buildAppliance(volant, {
    name: "web",
    script: "sleep 99",
  });
  const manifest = {
    ...await readJson(appliance.manifest),
    initramfs: { url: `${volant.folder}/web/web.cpio` },
  };
  const send = (method: string, path: string, body?: unknown) =>
    volant.request(path, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    });

  await t.step("POST and GET", async () => {
    const made = await send("POST", "/api/v1/plugins", manifest);
    assert.equal(made.status, 201, await made.clone().text());
    assert.deepEqual((await made.json()).vms, []);
    await send("POST", "/api/v1/plugins", { ...manifest, name: "a" });
    const list = await (await send("GET", "/api/v1/plugins")).json();
    assert.deepEqual(list.plugins, ["a", "web"]);
    const one = await (await send("GET", "/api/v1/plugins/web")).json();
    assert.equal(one.name, "web");
    assert.equal(one.enabled, true);
  });

  await t.step(
    "a manifest that is not valid, with path and remedy",
    async () => {
      const { status, ...answer } = await send("POST", "/api/v1/plugins", {
        ...manifest,
        workload: { entrypont: ["/bin/sh"] },
      }).then(async (reply) => ({
        status: reply.status,
        ...await reply.json(),
      }));
      assert.equal(status, 400);
      assert.equal(answer.code, "invalid-manifest");
      assert.match(answer.error, /workload\.entrypont is not a known key/);
      assert.match(answer.hint, /workload\.entrypoint/);
    },
  );

  await t.step("creates name a plugin once, twice alike, or not", async () => {
    const cases: [body: Record<string, unknown>, number, RegExp][] = [
      [{}, 400, /plugin/],
      [{ plugin: "web", config: { plugin: "a" } }, 400, /web.+ and plugin .+a/],
      [{ plugin: "b" }, 404, /plugin .+b.+ is not installed/],
      [{ plugin: "b", config: { manifest } }, 400, /b.+ and plugin .+web/],
      [{ plugin: "WEB", config: { plugin: "web" } }, 201, /"plugin":"web"/],
    ];
    for (const [body, status, words] of cases) {
      const request = { name: "vm", start: false, ...body };
      const answer = await send("POST", "/api/v1/vms", request);
      const text = await answer.text();
      assert.equal(answer.status, status, text);
      assert.match(text, words);
    }
    const found = await send("GET", "/api/v1/vms?plugin=web");
    assert.equal((await found.json()).length, 1);
    const none = await send("GET", "/api/v1/vms?plugin=a");
    assert.equal((await none.json()).length, 0);
  });

  await t.step("enabled, summary and DELETE", async () => {
    const path = "/api/v1/plugins/web/enabled";
    const off = await send("POST", path, { enabled: false });
    assert.equal(off.status, 200);
    assert.deepEqual((await off.json()).vms, ["vm"]);
    assert.equal((await send("POST", path, {})).status, 400);
    const summary = await (await send("GET", "/api/v1/system/summary")).json();
    assert.equal(summary.total_plugins, 2);
    assert.equal(summary.enabled_plugins, 1);
    assert.deepEqual(summary.plugins[1], {
      name: "web",
      version: "1.0.0",
      enabled: false,
    });
    const gone = await send("DELETE", "/api/v1/plugins/web");
    assert.equal(gone.status, 204);
    assert.equal(gone.headers.get("x-volant-vms"), "vm");
    assert.equal((await send("DELETE", "/api/v1/plugins/web")).status, 404);
    await send("DELETE", "/api/v1/plugins/a");
  });
});
