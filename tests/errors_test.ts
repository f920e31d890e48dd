/**
 * What goes wrong says what, where and what to do, ends with its exit code, and
 * leaves nothing behind (which the harness checks at the end of each test).
 */

import assert from "node:assert/strict";
import { type Appliance, idleAppliance } from "./harness/appliance.ts";
import { type Result, TmpVolant } from "./harness/tmp_volant.ts";

/** One sentence, one hint, nothing on stdout. */
function assertFault(
  { status, stdout, stderr }: Result,
  exit: number,
  sentence: RegExp,
): void {
  assert.equal(status, exit, stderr);
  const lines = stderr.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^error: Cannot /);
  assert.match(lines[0] ?? "", sentence);
  assert.match(lines[1] ?? "", /^hint: \S/);
  assert.equal(lines.length, 2, stderr);
  assert.equal(stdout, "");
}

async function changed(
  { manifest }: Appliance,
  change: (manifest: Record<string, unknown>) => void,
): Promise<string> {
  const value = JSON.parse(await Deno.readTextFile(manifest));
  change(value);
  const path = manifest.replace(/\.json$/, `.${crypto.randomUUID()}.json`);
  await Deno.writeTextFile(path, JSON.stringify(value));
  return path;
}

Deno.test("each mistake in a create is one clear error, and leaves no VM", async (t) => {
  await using volant = await TmpVolant.start();
  const appliance = await idleAppliance(volant);
  const create = (name: string, ...more: string[]) =>
    volant.volant(
      "vm",
      "create",
      name,
      "--manifest",
      appliance.manifest,
      "--network",
      "none",
      ...more,
    );

  await t.step("a kernel that is no ELF", async () => {
    assertFault(
      await create("a", "--kernel", "/bin/true.not"),
      66,
      /kernel "\/bin\/true\.not"/,
    );
    const script = `${volant.folder}/kernel`;
    await Deno.writeTextFile(script, "#!/bin/sh\n".repeat(10));
    assertFault(await create("a", "--kernel", script), 65, /not an ELF file/);
  });

  await t.step("a program that is no kernel", async () => {
    assertFault(
      await create("a", "--kernel", "/bin/busybox"),
      65,
      /no PVH entry note/,
    );
  });

  await t.step("an initramfs that is not the one of its checksum", async () => {
    const path = await changed(appliance, (value) => {
      value["initramfs"] = {
        ...(value["initramfs"] as object),
        checksum: `sha256:${"0".repeat(64)}`,
      };
    });
    assertFault(
      await volant.volant("vm", "create", "a", "--manifest", path),
      65,
      /checksum is sha256:[0-9a-f]{64}, not sha256:0000/,
    );
  });

  await t.step("an initramfs that is not there", async () => {
    const path = await changed(appliance, (value) => {
      value["initramfs"] = { url: "/no/such.cpio" };
    });
    assertFault(
      await volant.volant("vm", "create", "a", "--manifest", path),
      66,
      /artifact "\/no\/such\.cpio": it is not there/,
    );
  });

  await t.step("more memory than the host has", async () => {
    assertFault(
      await create("a", "--memory", "900GiB"),
      71,
      /921600 MiB: the host has \d+ MiB/,
    );
  });

  await t.step("a key the manifest does not know", async () => {
    const path = await changed(appliance, (value) => {
      value["memmory"] = 3;
    });
    const result = await volant.volant("vm", "create", "a", "--manifest", path);
    assertFault(result, 65, /memmory/);
  });

  await t.step("a name that is none", async () => {
    assertFault(await create("No_Name"), 64, /"No_Name"/);
  });

  await t.step("a host port that is taken", async () => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const result = await volant.volant(
      "vm",
      "create",
      "a",
      "--manifest",
      appliance.manifest,
      "--publish",
      `${taken.addr.port}:80`,
    );
    assertFault(result, 73, new RegExp(`127\\.0\\.0\\.1:${taken.addr.port}`));
  });

  await t.step("nothing came of all these", async () => {
    assert.deepEqual(await volant.json("vm", "list"), []);
  });

  await t.step("a name that is used", async () => {
    assert.equal((await create("a", "--no-start")).status, 0);
    assertFault(await create("a"), 73, /VM "a": it exists/);
    assert.equal((await volant.json("vm", "list")).length, 1);
  });

  await t.step("a VM that is not there", async () => {
    for (const verb of ["get", "start", "stop", "delete", "logs"]) {
      assertFault(await volant.volant("vm", verb, "nobody"), 66, /VM "nobody"/);
    }
  });

  await t.step("a stop of what does not run", async () => {
    assertFault(await volant.volant("vm", "stop", "a"), 73, /it is pending/);
  });
});

Deno.test("a host without QEMU says what to install, and makes no VM", async () => {
  await using volant = await TmpVolant.start({
    env: { VOLANT_QEMU: "/no/such/qemu" },
  });
  const { manifest } = await idleAppliance(volant);
  const result = await volant.volant(
    "vm",
    "create",
    "a",
    "--manifest",
    manifest,
    "--network",
    "none",
  );
  assertFault(result, 69, /QEMU|qemu/);
  assert.deepEqual(await volant.json("vm", "list"), []);
});

Deno.test("a command without its daemon says how to start one", async () => {
  const volant = await TmpVolant.start();
  await volant.endDaemon("SIGTERM");
  assertFault(await volant.volant("vm", "list"), 69, /daemon/);
  await volant[Symbol.asyncDispose]();
});

Deno.test("a second daemon on one state directory says who holds it", async () => {
  await using volant = await TmpVolant.start();
  const { status, stderr } = await volant.volant("daemon");
  assert.equal(status, 73);
  assert.match(
    stderr,
    new RegExp(`a daemon \\(pid ${volant.daemonPid}, since .+\\) holds it`),
  );
});

Deno.test("a second daemon on one runtime directory is refused, and ends nobody's VM", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await idleAppliance(volant);
  await volant.run(
    "vm",
    "create",
    "a",
    "--manifest",
    manifest,
    "--network",
    "none",
  );
  const { status, stderr } = await volant.volant(
    "daemon",
    "--state-dir",
    `${volant.folder}/other`,
  );
  assert.equal(status, 73, stderr);
  assert.match(stderr, /run\/lock": a daemon/);
  assert.equal((await volant.json("vm", "get", "a")).status, "running");
});

Deno.test("what holds secrets is closed to others", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await idleAppliance(volant);
  await volant.run(
    "vm",
    "create",
    "a",
    "--manifest",
    manifest,
    "--network",
    "none",
    "--env",
    "TOKEN=secret",
  );
  const { id } = await volant.json("vm", "get", "a");
  const files = [
    `${volant.stateDir}/volant.db`,
    `${volant.stateDir}/volant.db-wal`,
    `${volant.runtimeDir}/vms/${id}/boot.conf`,
    `${volant.stateDir}/vms/${id}/logs/output.log`,
    volant.socketPath,
  ];
  for (const path of files) {
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o077, 0, path);
  }
});

Deno.test("what a manifest asks for and would not get is refused", async () => {
  await using volant = await TmpVolant.start();
  const appliance = await idleAppliance(volant);
  const cases: Record<string, unknown> = {
    enabled: false,
    disks: [{ name: "data", source: "/tmp/x.img" }],
    agent: "on",
  };
  for (const [key, value] of Object.entries(cases)) {
    const path = await changed(appliance, (manifest) => {
      manifest[key] = value;
    });
    const result = await volant.volant("vm", "create", "a", "--manifest", path);
    assertFault(
      result,
      key === "enabled" ? 73 : 64,
      new RegExp(key === "enabled" ? "disabled" : key),
    );
  }
  const tooMany = await volant.volant(
    "vm",
    "create",
    "a",
    "--manifest",
    appliance.manifest,
    "--cpus",
    "999",
  );
  assertFault(tooMany, 64, /999 CPUs: the host has/);
});
