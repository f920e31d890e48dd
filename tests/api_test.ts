/**
 * The API as a program sees it that is not ours: plain HTTP on the socket.
 */

import assert from "node:assert/strict";
import { idleAppliance } from "./harness/appliance.ts";
import { built, source } from "./harness/built.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

Deno.test("the OpenAPI document is the one in docs, and every endpoint of it is served", async () => {
  const { stdout } = await new Deno.Command(built("volant"), {
    args: ["daemon", "--openapi"],
    stdin: "null",
  }).output();
  const printed = new TextDecoder().decode(stdout);
  const kept = await Deno.readTextFile(source("docs/reference/openapi.json"));
  assert.equal(
    printed,
    kept,
    "run: build/volant daemon --openapi > docs/reference/openapi.json",
  );

  await using volant = await TmpVolant.start();
  const { paths } = JSON.parse(kept);
  for (const [path, methods] of Object.entries<Json>(paths)) {
    for (const method of Object.keys(methods)) {
      if (path.startsWith("/api/v1/events")) continue;
      const url = path.replace("{name}", "nobody");
      const response = await volant.request(url, {
        method: method.toUpperCase(),
      });
      const text = await response.text();
      assert.doesNotMatch(text, /no-such-endpoint/, `${method} ${path}`);
      assert.ok(response.status < 500, `${method} ${path}: ${text}`);
    }
  }
});

Deno.test("a client gets statuses, counts and faults as they are documented", async (t) => {
  await using volant = await TmpVolant.start();
  const { manifest } = await idleAppliance(volant);
  const whole = JSON.parse(await Deno.readTextFile(manifest));
  whole.initramfs.url = `${volant.folder}/idle/idle.cpio`;
  const config = { manifest: whole, network: { mode: "none" } };
  const post = async (body: unknown): Promise<[number, Json]> => {
    const response = await volant.request("/api/v1/vms", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return [response.status, await response.json()];
  };

  await t.step("201 and the VM", async () => {
    const [status, vm] = await post({
      name: "a",
      config,
      cpu_cores: 2,
      memory_mb: 48,
    });
    assert.equal(status, 201, JSON.stringify(vm));
    assert.equal(vm.status, "running");
    assert.equal(vm.cpu_cores, 2);
    assert.equal(vm.memory_mb, 48);
    assert.equal(vm.runtime, "idle");
  });

  await t.step("a list with its filters and count", async () => {
    await post({ name: "b", config, start: false });
    const list = await volant.request(
      "/api/v1/vms?status=pending,running&sort=name&order=desc&limit=1",
    );
    assert.equal(list.headers.get("x-total-count"), "2");
    const names = (await list.json()).map(({ name }: Json) => name);
    assert.deepEqual(names, ["b"]);
    const running = await volant.request("/api/v1/vms?status=running");
    assert.equal((await running.json()).length, 1);
  });

  await t.step("faults with code, status and hint", async () => {
    const cases: [unknown, number, string, RegExp][] = [
      ["{", 400, "invalid-input", /not JSON/],
      [{ name: "c" }, 400, "invalid-input", /config/],
      [{ name: "C!", config }, 400, "invalid-input", /name/],
      [{ name: "c", config, nmae: 1 }, 400, "invalid-input", /nmae/],
      [
        { name: "c", config: { manifest: { ...whole, verison: "1" } } },
        400,
        "invalid-manifest",
        /config\.manifest.*verison/,
      ],
      [{ name: "a", config }, 409, "vm-exists", /"a"/],
      [
        { name: "c", config, memory_mb: 99_999_999 },
        422,
        "not-enough-memory",
        /MiB/,
      ],
    ];
    for (const [body, status, code, sentence] of cases) {
      const [got, fault] = await post(body);
      assert.equal(got, status, JSON.stringify(fault));
      assert.equal(fault.code, code);
      assert.match(fault.error, sentence);
      assert.ok(fault.hint === undefined || fault.hint.length > 0);
    }
  });

  await t.step("a body that is too large is refused", async () => {
    const [status, fault] = await post({ name: "x".repeat(3_000_000) });
    assert.equal(status, 413, JSON.stringify(fault));
    assert.equal(fault.code, "body-too-large");
  });

  await t.step("404 for what is not there", async () => {
    const none = await volant.request("/api/v1/vms/nobody");
    assert.equal(none.status, 404);
    assert.equal((await none.json()).code, "vm-not-found");
    const path = await volant.request("/api/v1/nothing");
    assert.equal(path.status, 404);
    assert.equal((await path.json()).code, "no-such-endpoint");
  });

  await t.step("204 for a delete, of a running VM too", async () => {
    const gone = await volant.request("/api/v1/vms/a", { method: "DELETE" });
    assert.equal(gone.status, 204);
  });

  await t.step("system status, info and summary", async () => {
    const get = async (path: string): Promise<Json> =>
      await (await volant.request(path)).json();
    assert.deepEqual(await get("/healthz"), { status: "ok" });
    const summary = await get("/api/v1/system/summary");
    assert.equal(summary.total_vms, 1);
    assert.deepEqual(summary.by_status, { pending: 1 });
    const info = await get("/api/v1/system/info");
    assert.match(info.hypervisor.accelerator, /^(kvm|tcg)$/);
    assert.equal(info.state_dir, volant.stateDir);
  });
});
