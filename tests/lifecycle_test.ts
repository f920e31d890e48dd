/**
 * The life of a VM as its user sees it, on real guests: create, output, console,
 * stop, start, restart, delete, and what each way of ending is called.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "./harness/appliance.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

/** Serves a page with the number of its starts, and logs each word it is told. */
const SERVER = `
mkdir -p /www
echo "up as $(hostname), user $(id -u), GREETING=$GREETING"
echo "<p>hello from $(hostname)</p>" > /www/index.html
httpd -f -p 80 -h /www &
trap 'echo leaving; exit 0' TERM
while :; do wait; done
`;

const ON_PORT_80 = {
  health_check: { endpoint: "/" },
  network: { mode: "user", expose: [{ port: 80, host_port: 0 }] },
};
const HTTP = { type: "http", base_url: "http://127.0.0.1:80" };

Deno.test("a VM serves, logs, stops, starts again and is deleted", async (t) => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "page",
    script: SERVER,
    manifest: ON_PORT_80,
    workload: HTTP,
  });
  const get = () => volant.json("vm", "get", "web");

  await t.step("create answers when the page is served", async () => {
    await volant.run(
      "vm",
      "create",
      "web",
      "--manifest",
      manifest,
      "--wait",
      "healthy",
      "--env",
      "GREETING=hi there",
    );
    const vm = await get();
    assert.equal(vm.status, "running");
    assert.equal(vm.health, "healthy");
    const { host_ip, host_port } = vm.expose[0];
    const page = await fetch(`http://${host_ip}:${host_port}/`);
    assert.match(await page.text(), /hello from web/);
  });

  await t.step("get shows the phases of the boot, in their order", async () => {
    const { boot } = await get();
    const { vmm_ms, kernel_ms, workload_ms, healthy_ms } = boot;
    assert.ok(0 < vmm_ms && vmm_ms < kernel_ms, JSON.stringify(boot));
    assert.ok(kernel_ms < workload_ms && workload_ms < healthy_ms);
    const text = await volant.run("vm", "get", "web");
    assert.match(text, /first healthy answer/);
  });

  await t.step("logs show what the workload wrote", async () => {
    const lines = await volant.run("vm", "logs", "web");
    assert.match(lines, /^up as web, user 0, GREETING=hi there$/m);
  });

  await t.step("the environment is on no command line", async () => {
    const { pid } = await get();
    const words = await Deno.readTextFile(`/proc/${pid}/cmdline`);
    assert.doesNotMatch(words, /hi there/);
    assert.match(words, /volant\.manifest=/);
    const { kernel_cmdline } = await get();
    const [, word = ""] = /volant\.manifest=(\S+)/.exec(kernel_cmdline) ?? [];
    const bytes = Uint8Array.fromBase64(word, { alphabet: "base64url" });
    const json = await new Response(
      new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")),
    ).json();
    assert.equal(json.name, "page");
  });

  await t.step(
    "logs --follow ends when the VM does, with the last line",
    async () => {
      const follow = volant.spawn("vm", "logs", "--follow", "web");
      const text = new Response(follow.stdout).text();
      await volant.run("vm", "stop", "web");
      assert.match(await text, /leaving\n$/);
      await follow.stderr.cancel();
      await follow.stdin.close();
      assert.equal((await follow.status).code, 0);
    },
  );

  await t.step("a stop is clean and says so", async () => {
    const vm = await get();
    assert.equal(vm.status, "stopped");
    assert.equal(vm.pid, undefined);
    assert.equal(vm.exit.cause, "stopped");
    assert.equal(vm.exit.status, 0);
    assert.equal(vm.exit.forced, false);
  });

  await t.step("it starts again, and restarts", async () => {
    await volant.run("vm", "start", "web", "--wait", "healthy");
    const before = await get();
    await volant.run("vm", "restart", "web", "--wait", "healthy");
    const after = await get();
    assert.equal(after.status, "running");
    assert.notEqual(after.pid, before.pid);
  });

  await t.step("a running VM is deleted only by force", async () => {
    const { status, stderr } = await volant.volant("vm", "delete", "web");
    assert.equal(status, 73);
    assert.match(stderr, /it is running/);
    await volant.run("vm", "delete", "--force", "web");
    assert.deepEqual(await volant.json("vm", "list"), []);
  });
});

Deno.test("each way of ending has its name and status", async (t) => {
  await using volant = await TmpVolant.start();
  const create = async (name: string, script: string, ...more: string[]) => {
    const { manifest } = await buildAppliance(volant, { name, script });
    return await volant.volant(
      "vm",
      "create",
      name,
      "--manifest",
      manifest,
      "--network",
      "none",
      ...more,
    );
  };
  const ended = async (name: string) => {
    const { status } = await volant.volant("vm", "wait", name);
    return { status, vm: await volant.json("vm", "get", name) };
  };

  await t.step("a workload that ends with 0 has stopped", async () => {
    await create("fine", "echo done");
    const { status, vm } = await ended("fine");
    assert.equal(status, 0);
    assert.equal(vm.status, "stopped");
    assert.equal(vm.exit.cause, "exited");
    assert.equal(vm.exit.status, 0);
  });

  await t.step(
    "a workload that ends with 3 has crashed, and wait says 3",
    async () => {
      await create("three", "exit 3");
      const { status, vm } = await ended("three");
      assert.equal(status, 3);
      assert.equal(vm.status, "crashed");
      assert.equal(vm.exit.status, 3);
    },
  );

  await t.step(
    "a guest that runs out of memory is told from the rest",
    async () => {
      await create("hungry", "sleep 1; tail /dev/zero", "--memory", "40");
      const { vm } = await ended("hungry");
      assert.equal(vm.exit.cause, "guest-oom");
      assert.equal(vm.status, "crashed");
    },
  );

  await t.step("a VMM that is killed is a crash, never a stop", async () => {
    await create("victim", "sleep 1000");
    const { pid } = await volant.json("vm", "get", "victim");
    Deno.kill(pid, "SIGKILL");
    const { vm } = await ended("victim");
    assert.equal(vm.exit.cause, "vmm-crashed");
    assert.equal(vm.status, "crashed");
  });

  await t.step(
    "a workload that ignores its stop signal is killed after the grace",
    async () => {
      await create("deaf", "trap '' TERM; while :; do sleep 1; done");
      await volant.run("vm", "stop", "--grace", "1s", "deaf");
      const vm = await volant.json("vm", "get", "deaf");
      assert.equal(vm.status, "stopped");
      assert.equal(vm.exit.status, 137);
    },
  );

  await t.step("--kill does not ask the guest", async () => {
    await create("gone", "sleep 1000");
    await volant.run("vm", "stop", "--kill", "gone");
    const vm = await volant.json("vm", "get", "gone");
    assert.equal(vm.status, "stopped");
    assert.equal(vm.exit.cause, "killed");
  });

  await t.step("a missing program is no boot, and leaves no VM", async () => {
    const { manifest } = await buildAppliance(volant, {
      name: "absent",
      script: "",
    });
    const text = JSON.parse(await Deno.readTextFile(manifest));
    text.workload.entrypoint = ["/no/such/program"];
    await Deno.writeTextFile(manifest, JSON.stringify(text));
    const { status, stderr } = await volant.volant(
      "vm",
      "create",
      "absent",
      "--manifest",
      manifest,
    );
    assert.equal(status, 70, stderr);
    assert.match(stderr, /^error: Cannot start VM "absent": /);
    assert.match(stderr, /^hint: /m);
    assert.equal((await volant.volant("vm", "get", "absent")).status, 66);
  });

  await t.step(
    "restart=on-failure starts the workload again in the same guest",
    async () => {
      await create("again", "echo try; exit 1", "--restart", "on-failure");
      await until("it was started twice", async () => {
        return (await volant.json("vm", "get", "again")).restarts >= 2;
      });
      assert.equal((await volant.json("vm", "get", "again")).status, "running");
    },
  );
});

Deno.test("the console has several viewers, and what one types is seen by all", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "talk",
    script:
      'while read -r line; do echo "heard $line" > /dev/console; done < /dev/console',
  });
  await volant.run(
    "vm",
    "create",
    "talk",
    "--manifest",
    manifest,
    "--network",
    "none",
  );
  const viewers = [1, 2].map(() => volant.spawn("vm", "console", "talk"));
  const seen = viewers.map(() => "");
  const readers = viewers.map(async ({ stdout }, index) => {
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
      seen[index] += text;
    }
  });
  const [first] = viewers.map(({ stdin }) => stdin.getWriter());
  await until("both viewers see what one typed", async () => {
    await first?.write(new TextEncoder().encode("ping\n"));
    await new Promise((wake) => setTimeout(wake, 200));
    return seen.every((text) => text.includes("heard ping"));
  });
  await volant.run("vm", "stop", "--grace", "1s", "talk");
  await Promise.all(readers);
  for (const viewer of viewers) {
    await viewer.stderr.cancel();
    assert.equal((await viewer.status).code, 0);
  }
});

Deno.test("events tell a VM's life in its order, and replay", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "short",
    script: "exit 0",
  });
  await volant.run(
    "vm",
    "create",
    "short",
    "--manifest",
    manifest,
    "--network",
    "none",
  );
  await volant.volant("vm", "wait", "short");
  await volant.run("vm", "delete", "short");

  using client = Deno.createHttpClient({
    proxy: { transport: "unix", path: volant.socketPath },
  });
  const end = new AbortController();
  const response = await fetch("http://localhost/api/v1/events/vms?vm=short", {
    client,
    headers: { "last-event-id": "0" },
    signal: end.signal,
  });
  assert.match(response.headers.get("content-type") ?? "", /event-stream/);
  let text = "";
  assert.ok(response.body);
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("VM_DELETED")) break;
  }
  end.abort();
  const types = [...text.matchAll(/^event: (\w+)$/gm)].map(([, type]) => type);
  assert.deepEqual(types, [
    "VM_CREATED",
    "VM_STARTING",
    "VM_RUNNING",
    "VM_STOPPED",
    "VM_DELETED",
  ]);
});

Deno.test("a running VM is deleted by force every time, and its name is free at once", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "again",
    script: "sleep 1000",
    memoryMib: 32,
  });
  for (let round = 0; round < 12; round++) {
    await volant.run(
      "vm",
      "create",
      "again",
      "--manifest",
      manifest,
      "--network",
      "none",
    );
    await volant.run("vm", "delete", "--force", "again");
  }
});

Deno.test("a create whose VM somebody else restarts takes nothing away from them", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "page",
    script: SERVER,
  });
  const creating = volant.volant(
    ...["vm", "create", "web", "--manifest", manifest, "--network", "none"],
  );
  await until("it is there", async () => {
    const [vm] = await volant.json("vm", "list");
    return vm?.status === "starting" || vm?.status === "running";
  });
  await volant.run("vm", "restart", "--kill", "web");
  await creating;
  await volant.run("vm", "wait", "--for", "running", "web");
});
