/**
 * Copying one file to a host is an install: the executable alone, in a root that
 * holds QEMU, passt and what they need, with no network and no file of the
 * repository, builds an appliance, runs the daemon and serves a page out of a VM.
 *
 * @module
 */

import assert from "node:assert/strict";
import { BareHost } from "./harness/bare_host.ts";
import { built, source } from "./harness/built.ts";
import { run } from "./harness/probe.ts";

Deno.test("on a bare host the executable boots an appliance that serves", async (t) => {
  await using host = await BareHost.start();
  let manifest = "";

  await t.step("there is no shell, no repository and no way out", async () => {
    assert.equal((await host.run("/bin/sh", "-c", "true")).status, 127);
    await host.copy("/bin/busybox", "/bin/busybox");
    const busybox = async (...words: readonly string[]) =>
      (await host.run("/bin/busybox", ...words)).status;
    assert.equal(await busybox("test", "-e", "/volant"), 0);
    assert.notEqual(await busybox("test", "-e", source("deno.json")), 0);
    assert.notEqual(await busybox("ping", "-c1", "-W1", "192.0.2.1"), 0);
  });

  await t.step("it says that guests can run here", async () => {
    assert.match(await host.volant("doctor"), /This host can run guests/);
  });

  await t.step("it builds an appliance", async () => {
    for (const name of ["fledge.toml", "manifest.toml", "index.html"]) {
      await host.copy(source(`examples/hello/${name}`), `/hello/${name}`);
    }
    const printed = await host.volant(
      ...["build", "/hello/fledge.toml", "--json"],
      ...["--output", "/hello/hello.initramfs"],
    );
    ({ manifest } = JSON.parse(printed));
  });

  await t.step("its daemon boots it, and the page is served", async () => {
    await host.startDaemon();
    await host.volant(
      ...["vm", "create", "web", "--wait", "healthy", "--publish", "8080:80"],
      // There is no /dev/net/tun for a bridge.
      ...["--manifest", manifest, "--timeout", "90s", "--network", "user"],
    );
    const { stdout } = await host.run(
      ...["/bin/busybox", "wget", "-qO-", "http://127.0.0.1:8080/"],
    );
    assert.equal(
      stdout,
      await Deno.readTextFile(source("examples/hello/index.html")),
    );
  });

  await t.step("the VM stops when it is told to", async () => {
    await host.volant("vm", "stop", "web");
    const vm = JSON.parse(await host.volant("vm", "get", "web", "--json"));
    assert.equal(vm.status, "stopped");
    await host.volant("vm", "delete", "web");
  });
});

Deno.test("where /proc is missing, the executable says so", async () => {
  const { code, stderr } = await run("unshare", [
    ...["--user", "--map-root-user", "--mount", "sh", "-c"],
    'mount -t tmpfs none /proc && exec "$0" version',
    built("volant"),
  ], { env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin" } });
  assert.equal(code, 127);
  assert.equal(
    stderr,
    "volant: Cannot start Volant: cannot open /proc/self/exe; is /proc " +
      "mounted? (errno 2)\n",
  );
});

Deno.test("where glibc is missing, the executable names the file it needs", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const { code, stderr } = await run("unshare", [
      ...[
        "--user",
        "--map-root-user",
        "--mount",
        "--pid",
        "--fork",
        "sh",
        "-c",
      ],
      'cp "$0" "$1/volant"; mkdir "$1/proc"; mount -t proc proc "$1/proc" &&' +
      ' exec chroot "$1" /volant version',
      ...[built("volant"), dir],
    ], { env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin" } });
    assert.equal(code, 127);
    assert.match(
      stderr,
      /^volant: Cannot start Volant: this host has no glibc.* \/lib64\/ld-linux-/,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
